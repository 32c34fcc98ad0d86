package doctor

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"os"
	"syscall"
)

// unreached says what to do about a connection that could not be made, or ""
// where err is none of the usual ones. key is the setting with the address.
func unreached(err error, key string) string {
	var dns *net.DNSError
	switch {
	case errors.As(err, &dns):
		return "set " + key + " to a name that resolves here, or look after the DNS: getent hosts " + dns.Name
	case errors.Is(err, syscall.ECONNREFUSED):
		return "start what should listen there, or set " + key
	case errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH):
		return "there is no route to it: look at ip route get, or set " + key
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, syscall.ETIMEDOUT):
		return "no answer: look at the firewalls on the way, at whether the program there still works, and at " + key
	}
	return ""
}

// untrusted says what to do about a TLS connection that failed, or "".
// authorities is the setting with the certificates to trust.
func untrusted(err error, authorities string) string {
	var authority x509.UnknownAuthorityError
	var host x509.HostnameError
	var invalid x509.CertificateInvalidError
	var record tls.RecordHeaderError
	switch {
	case errors.As(err, &authority):
		return "set " + authorities + " to a file with the certificate of the authority that signed the server's"
	case errors.As(err, &host) && authorities == "ami.tls_ca_file":
		return "set ami.tls_server_name to the name in the certificate"
	case errors.As(err, &host):
		return "give the server a certificate with this name, or use the name that it has"
	case errors.As(err, &invalid):
		return "give the server a certificate that is valid today, and look at the clocks"
	case errors.As(err, &record):
		return "that port speaks no TLS: use the TLS port, or take TLS out of the settings"
	}
	return ""
}
