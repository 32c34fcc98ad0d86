package admin

import (
	"bufio"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// browser is a headless Chromium, spoken to over a pipe by its DevTools
// protocol: NUL-terminated JSON.
type browser struct {
	t   *testing.T
	to  *os.File
	out *bufio.Reader
	id  int
}

func startBrowser(t *testing.T) *browser {
	t.Helper()
	path, err := exec.LookPath("chromium")
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("no chromium: apt-get install chromium")
		}
		t.Skip("the page is not looked at, for want of chromium: apt-get install chromium")
	}
	cmd := exec.Command(path, "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
		"--disable-component-update", "--disable-sync", "--disable-dev-shm-usage", "--user-data-dir="+t.TempDir(), "--remote-debugging-pipe")
	theirIn, to, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	from, theirOut, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.ExtraFiles = []*os.File{theirIn, theirOut} // its descriptors 3 and 4
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	_, _ = theirIn.Close(), theirOut.Close()
	b := &browser{t: t, to: to, out: bufio.NewReader(from)}
	t.Cleanup(func() {
		killer := time.AfterFunc(10*time.Second, func() { _ = cmd.Process.Kill() })
		_, _ = fmt.Fprint(to, `{"id":0,"method":"Browser.close"}`+"\x00")
		_ = cmd.Wait()
		killer.Stop()
		_, _ = to.Close(), from.Close()
	})
	_ = from.SetReadDeadline(time.Now().Add(2 * time.Minute))
	return b
}

// event is an answer of the browser, or something that happened in it.
type event struct {
	ID     int
	Method string
	Params json.RawMessage
	Result json.RawMessage
	Error  *struct{ Message string }
}

// tab is a page in the browser.
type tab struct {
	*browser
	t       *testing.T
	session string
	wrong   []string // exceptions, and what the content policy stopped
}

func (b *browser) open(t *testing.T, width int, dark bool) *tab {
	t.Helper()
	p := &tab{browser: b, t: t}
	var target struct{ TargetID, SessionID string }
	p.call("Target.createTarget", map[string]any{"url": "about:blank"}, &target)
	p.call("Target.attachToTarget", map[string]any{"targetId": target.TargetID, "flatten": true}, &target)
	p.session = target.SessionID
	p.call("Runtime.enable", nil, nil)
	p.call("Log.enable", nil, nil)
	p.call("Page.enable", nil, nil)
	p.call("Emulation.setDeviceMetricsOverride", map[string]any{"width": width, "height": 844, "deviceScaleFactor": 1, "mobile": width < 600}, nil)
	scheme := map[bool]string{false: "light", true: "dark"}[dark]
	p.call("Emulation.setEmulatedMedia", map[string]any{"features": []any{map[string]string{"name": "prefers-color-scheme", "value": scheme}}}, nil)
	t.Cleanup(func() {
		for _, w := range p.wrong {
			t.Errorf("the page: %s", w)
		}
	})
	return p
}

// call says one thing to the browser and waits for its answer.
func (p *tab) call(method string, params, result any) {
	p.t.Helper()
	p.id++
	text, err := json.Marshal(map[string]any{"id": p.id, "method": method, "params": params})
	if err != nil {
		p.t.Fatal(err)
	}
	if p.session != "" {
		text = append(text[:len(text)-1], fmt.Sprintf(`,"sessionId":%q}`, p.session)...)
	}
	if _, err := p.to.Write(append(text, 0)); err != nil {
		p.t.Fatal(err)
	}
	for {
		line, err := p.out.ReadBytes(0)
		if err != nil {
			p.t.Fatal("chromium: ", err)
		}
		var e event
		if err := json.Unmarshal(line[:len(line)-1], &e); err != nil {
			p.t.Fatal(err)
		}
		switch {
		case e.ID != p.id:
			p.note(&e)
			continue
		case e.Error != nil:
			p.t.Fatalf("%s: %s", method, e.Error.Message)
		case result != nil:
			if err := json.Unmarshal(e.Result, result); err != nil {
				p.t.Fatal(err)
			}
		}
		return
	}
}

// note keeps what went wrong in the page, but for answers that are errors.
func (p *tab) note(e *event) {
	text := string(e.Params)
	if e.Method == "Runtime.exceptionThrown" || e.Method == "Log.entryAdded" && !strings.Contains(text, `"source":"network"`) {
		p.wrong = append(p.wrong, text)
	}
}

// before has a script run ahead of the page's own.
func (p *tab) before(script string) {
	p.t.Helper()
	p.call("Page.addScriptToEvaluateOnNewDocument", map[string]any{"source": script}, nil)
}

func (p *tab) visit(url string) {
	p.t.Helper()
	p.call("Page.navigate", map[string]any{"url": url}, nil)
}

// eval is the value of an expression in the page, promises awaited.
func (p *tab) eval(expression string) any {
	p.t.Helper()
	var got struct {
		Result           struct{ Value any }
		ExceptionDetails *struct{ Exception struct{ Description string } }
	}
	p.call("Runtime.evaluate", map[string]any{"expression": expression, "awaitPromise": true, "returnByValue": true}, &got)
	if got.ExceptionDetails != nil {
		p.t.Fatalf("%s: %s", expression, got.ExceptionDetails.Exception.Description)
	}
	return got.Result.Value
}

// until waits for an expression to be true.
func (p *tab) until(expression string) {
	p.t.Helper()
	p.eval(`new Promise((ok, no) => {
		const end = performance.now() + 15000;
		const met = () => { try { return ` + expression + `; } catch { return false; } }; // not parsed so far
		const look = () => { if (met()) ok(true); else if (performance.now() > end) no(new Error(document.body.innerText)); else requestAnimationFrame(look); };
		look(); })`)
}

// text is what a reader sees of an element.
func (p *tab) text(selector string) string {
	p.t.Helper()
	text, _ := p.eval(fmt.Sprintf("document.querySelector(%q).innerText", selector)).(string)
	return text
}

// picture keeps a screenshot of the whole page, where the environment names a
// directory for them.
func (p *tab) picture(name string) {
	p.t.Helper()
	dir := os.Getenv("ZONKEYMWI_SCREENSHOTS")
	if dir == "" {
		return
	}
	var shot struct{ Data string }
	p.call("Page.captureScreenshot", map[string]any{"captureBeyondViewport": true}, &shot)
	png, err := base64.StdEncoding.DecodeString(shot.Data)
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, name+".png"), png, 0o644)
	}
	if err != nil {
		p.t.Error(err)
	}
}
