package admin

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"reflect"
	"strings"
	"time"
)

// A fault is the asker's; its text is the answer.
type fault struct {
	code int // of HTTP
	text string
}

func (f *fault) Error() string { return f.text }

func bad(format string, args ...any) error {
	return &fault{http.StatusBadRequest, fmt.Sprintf(format, args...)}
}

// ask makes a handler of a question, which is given the time limit to answer.
func ask(limit time.Duration, question func(ctx context.Context, r *http.Request) (any, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), limit)
		defer cancel()
		answer, err := question(ctx, r)
		if err != nil {
			code, text := explain(err, limit)
			refuse(w, code, text)
			return
		}
		reply(w, http.StatusOK, answer)
	}
}

// explain turns an error into a status code and words. What is not the asker's
// fault is that the bridge, or the database behind it, does not answer.
func explain(err error, limit time.Duration) (code int, text string) {
	var f *fault
	switch {
	case errors.As(err, &f):
		return f.code, f.text
	case err == context.DeadlineExceeded: // bare; a wrapped one has words of its own
		return http.StatusGatewayTimeout, fmt.Sprintf("the bridge did not answer within %v", limit)
	case errors.Is(err, context.DeadlineExceeded):
		return http.StatusGatewayTimeout, err.Error()
	}
	return http.StatusServiceUnavailable, err.Error()
}

func refuse(w http.ResponseWriter, code int, text string) {
	reply(w, code, map[string]string{"error": text})
}

func reply(w http.ResponseWriter, code int, answer any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(answer) // an error: the asker has gone
}

// read takes a request's body, one JSON object with no unknown fields.
func read(r *http.Request, into any) error {
	d := json.NewDecoder(r.Body)
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		return badBody(err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return bad("the body goes on after the JSON object")
	}
	return nil
}

func badBody(err error) error {
	var long *http.MaxBytesError
	var kind *json.UnmarshalTypeError
	switch {
	case errors.As(err, &long):
		return &fault{http.StatusRequestEntityTooLarge, fmt.Sprintf("the body is longer than %d bytes", long.Limit)}
	case errors.As(err, &kind):
		want := "what belongs here"
		if kind.Type.Kind() == reflect.Uint32 {
			want = "a whole number from 0 to 4294967295"
		}
		return bad("%s: %s is not %s", cmp.Or(kind.Field, "the body"), strings.TrimPrefix(kind.Value, "number "), want)
	case errors.Is(err, io.EOF):
		return bad("the body is empty: a JSON object is wanted")
	}
	return bad("the body: %s", strings.TrimPrefix(err.Error(), "json: "))
}
