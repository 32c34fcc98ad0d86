#!/bin/sh
# What Asterisk can run by externnotify in voicemail.conf, with context, mailbox
# and the numbers of new, old and urgent messages: the script that zonkeymwi is
# compared with. DATABASE_URL and PROXY (host:port) come from the environment.
psql -AtqX -F ' ' "$DATABASE_URL" -v uri="sip:$2@$1" <<'SQL' |
SELECT callid, to_tag, from_tag, contact, to_user || '@' || to_domain, record_route, local_contact FROM active_watchers
WHERE presentity_uri = :'uri' AND event = 'message-summary' AND status = 1 AND expires > extract(epoch FROM now())
SQL
while read -r callid totag fromtag contact user route local; do
	waiting=no; [ "$3" = 0 ] || waiting=yes
	body=$(printf 'Messages-Waiting: %s\r\nMessage-Account: sip:*97@%s\r\nVoice-Message: %s/%s (0/0)\r\n.' "$waiting" "$1" "$3" "$4")
	body=${body%.}
	{ # sipsak adds the Via
		printf 'NOTIFY %s SIP/2.0\r\nMax-Forwards: 70\r\nRoute: %s\r\nFrom: <sip:%s>;tag=%s\r\nTo: <sip:%s>;tag=%s\r\n' \
			"$contact" "$route" "$user" "$totag" "$user" "$fromtag"
		printf 'Call-ID: %s\r\nCSeq: %s NOTIFY\r\nContact: <%s>\r\nEvent: message-summary\r\nSubscription-State: active\r\n' "$callid" "$(date +%s)" "$local"
		printf 'Content-Type: application/simple-message-summary\r\nContent-Length: %s\r\n\r\n%s' "${#body}" "$body"
	} | sipsak -f - -s "sip:$2@$PROXY"
done
