package outward

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"image"
	"image/png"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/easelgrid/easel/api"
)

var loopback = prefixes("127.0.0.0/8", "::1/128")

func picture(t *testing.T) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := png.Encode(&b, image.NewGray(image.Rect(0, 0, 8, 8))); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// bomb is a small PNG file whose header has 40,000 x 40,000 pixels.
func bomb(t *testing.T) []byte {
	file := picture(t)
	binary.BigEndian.PutUint32(file[16:], 40_000)
	binary.BigEndian.PutUint32(file[20:], 40_000)
	binary.BigEndian.PutUint32(file[29:], crc32.ChecksumIEEE(file[12:29]))
	return file
}

// serve starts a server on loopback and a client that may reach it.
func serve(t *testing.T, mux *http.ServeMux) (string, *Client) {
	t.Helper()
	server := httptest.NewServer(mux)
	c := &Client{AllowPrivate: loopback}
	t.Cleanup(func() {
		c.Close()
		server.Close()
	})
	return server.URL, c
}

type zeros struct{}

func (zeros) Read(b []byte) (int, error) { clear(b); return len(b), nil }

func TestFetch(t *testing.T) {
	good := picture(t)
	mux := http.NewServeMux()
	give := func(path string, handle http.HandlerFunc) { mux.HandleFunc(path, handle) }
	give("/fine", func(w http.ResponseWriter, r *http.Request) {
		for _, name := range []string{"Authorization", "Cookie", "Referer", "Accept-Encoding", "X-Forwarded-For"} {
			if r.Header.Get(name) != "" {
				t.Errorf("%s: %s", name, r.Header.Get(name))
			}
		}
		w.Write(good)
	})
	give("/empty", func(http.ResponseWriter, *http.Request) {})
	give("/page", func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "<html>") })
	give("/bomb", func(w http.ResponseWriter, _ *http.Request) { w.Write(bomb(t)) })
	give("/half", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "1000")
		w.Write(good)
	})
	give("/announced", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "99999999999")
		w.Write(good)
	})
	give("/endless", func(w http.ResponseWriter, r *http.Request) {
		n, err := io.Copy(w, zeros{}) // until the client has enough
		if err == nil || n < api.MaxInputBytes {
			t.Errorf("endless body ended after %d bytes: %v", n, err)
		}
	})
	give("/gzip", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Encoding", "gzip")
		z := gzip.NewWriter(w)
		io.CopyN(z, io.MultiReader(bytes.NewReader(good), zeros{}), 1<<20)
		z.Close()
	})
	give("/headers", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("X", strings.Repeat("x", maxHeaderBytes*2))
		w.Write(good)
	})
	give("/cookie", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Set-Cookie", "a=b")
		http.Redirect(w, r, "/fine", http.StatusFound)
	})
	give("/loop", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/loop", http.StatusFound) })
	give("/five", func(w http.ResponseWriter, r *http.Request) {
		left := len(r.URL.Query().Get("n"))
		if left == 0 {
			http.Redirect(w, r, "/fine", http.StatusSeeOther)
			return
		}
		http.Redirect(w, r, "/five?n="+strings.Repeat("x", left-1), http.StatusTemporaryRedirect)
	})
	to := map[string]string{
		"/to-metadata": "http://169.254.169.254/latest/meta-data/", "/to-private": "http://10.0.0.1/", "/to-file": "file:///etc/passwd",
		"/to-user": "http://user:secret@127.0.0.1/", "/to-decimal": "http://2130706433/", "/to-mapped": "http://[::ffff:10.0.0.1]/",
	}
	for path, target := range to {
		give(path, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Location", target)
			w.WriteHeader(http.StatusMovedPermanently)
		})
	}
	give("/refused", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusForbidden) })
	give("/nothing", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })

	base, c := serve(t, mux)
	for _, test := range []struct{ path, wrong string }{
		{"/fine", ""},
		{"/fine?token=secret#x", ""},
		{"/cookie", ""},
		{"/five?n=xxxx", ""},
		{"/five?n=xxxxx", "too many redirects"},
		{"/loop", "too many redirects"},
		{"/absent?token=secret", "the answer 404 Not Found"},
		{"/refused", "the answer 403 Forbidden"},
		{"/nothing", "the answer 204 No Content"},
		{"/empty", "0 bytes of something else"},
		{"/page", "6 bytes of something else"},
		{"/bomb", "40000 x 40000 pixels"},
		{"/half", "no answer"},
		{"/announced", "more than 20971520 bytes"},
		{"/endless", "more than 20971520 bytes"},
		{"/gzip", "of something else"},
		{"/headers", "no answer"},
		{"/to-metadata", "not public"},
		{"/to-private", "not public"},
		{"/to-mapped", "not public"},
		{"/to-file", "neither http"},
		{"/to-user", "user name"},
		{"/to-decimal", "neither a name nor"},
	} {
		t.Run(test.path, func(t *testing.T) {
			got, err := c.Fetch(t.Context(), base+test.path)
			if test.wrong == "" {
				if err != nil || !bytes.Equal(got, good) {
					t.Fatalf("%d bytes, %v", len(got), err)
				}
				return
			}
			problem, ok := errors.AsType[*api.Error](err)
			if !ok || problem.Code != api.CodeInvalidRequest || len(problem.Faults) != 1 || !strings.Contains(err.Error(), test.wrong) || got != nil {
				t.Fatalf("got %v, want %q", err, test.wrong)
			}
			if strings.Contains(err.Error(), "secret") {
				t.Errorf("a secret is given away: %v", err)
			}
			if named := Named(err, "init_image"); !strings.HasPrefix(named.Error(), "init_image: got ") {
				t.Errorf("named: %v", named)
			}
		})
	}
}

func TestPrivateServersAreNotReached(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("reached") }))
	defer server.Close()
	port := server.URL[strings.LastIndex(server.URL, ":"):]
	for _, host := range []string{"127.0.0.1", "localhost", "localhost.", "[::1]", "[::ffff:127.0.0.1]", "0.0.0.0", "[::]", "127.1"} {
		c := new(Client)
		if _, err := c.Fetch(t.Context(), "http://"+host+port+"/"); err == nil {
			t.Errorf("%s: fetched", host)
		}
		if err := c.Post(t.Context(), "http://"+host+port+"/", nil, nil); err == nil {
			t.Errorf("%s: posted", host)
		}
		c.Close()
	}
}

func TestProxyOfTheEnvironmentIsNotUsed(t *testing.T) {
	t.Setenv("HTTP_PROXY", "http://127.0.0.1:1")
	mux := http.NewServeMux()
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) { w.Write(picture(t)) })
	base, c := serve(t, mux)
	c.open()
	r, _ := http.NewRequest("GET", "http://example.com", nil)
	if c.transport.Proxy != nil {
		proxy, err := c.transport.Proxy(r)
		t.Errorf("proxy %v %v", proxy, err)
	}
	if _, err := c.Fetch(t.Context(), base); err != nil {
		t.Error(err)
	}
}

func TestTimes(t *testing.T) {
	stop := make(chan struct{})
	mux := http.NewServeMux()
	mux.HandleFunc("/silent", func(_ http.ResponseWriter, r *http.Request) { <-stop })
	mux.HandleFunc("/slow", func(w http.ResponseWriter, r *http.Request) {
		w.Write(picture(t)[:20])
		http.NewResponseController(w).Flush()
		<-stop
	})
	base, _ := serve(t, mux)
	t.Cleanup(func() { close(stop) })
	for _, test := range []struct {
		name, path string
		times      Times
	}{
		{"header", "/silent", Times{Header: time.Millisecond}},
		{"whole, before the header", "/silent", Times{Whole: time.Millisecond}},
		{"whole, within the body", "/slow", Times{Whole: 100 * time.Millisecond}},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := &Client{AllowPrivate: loopback, Times: test.times}
			defer c.Close()
			if _, err := c.Fetch(t.Context(), base+test.path); err == nil || !strings.Contains(err.Error(), "no answer in time") {
				t.Errorf("fetch: %v", err)
			}
			if err := c.Post(t.Context(), base+"/silent", nil, nil); err == nil || !strings.Contains(err.Error(), "no answer in time") {
				t.Errorf("post: %v", err)
			}
		})
	}
	t.Run("who asked went away", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := new(Client).Fetch(ctx, base+"/slow"); !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
	})
}

// names is a name server that gives the next of its answers to every question for an IPv4 address.
type names struct {
	connection net.PacketConn
	answers    []netip.Addr
	asked      atomic.Int32
}

func newNames(t *testing.T, answers ...string) *net.Resolver {
	t.Helper()
	connection, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	n := &names{connection: connection}
	for _, a := range answers {
		n.answers = append(n.answers, netip.MustParseAddr(a))
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		n.run()
	}()
	t.Cleanup(func() {
		connection.Close()
		<-done
	})
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "udp", connection.LocalAddr().String())
	}}
}

func (n *names) run() {
	packet := make([]byte, 1500)
	for {
		length, from, err := n.connection.ReadFrom(packet)
		if err != nil {
			return
		}
		n.connection.WriteTo(n.reply(packet[:length]), from)
	}
}

// reply echoes the question (RFC 1035, section 4.1) with one A record, or none to any other question.
func (n *names) reply(question []byte) []byte {
	end := 12
	for question[end] != 0 {
		end += 1 + int(question[end])
	}
	end += 5 // the root, type, class
	reply := append([]byte{}, question[:end]...)
	binary.BigEndian.PutUint16(reply[2:], 0x8180) // an answer, recursion available
	copy(reply[6:12], make([]byte, 6))
	if binary.BigEndian.Uint16(question[end-4:]) != 1 {
		return reply
	}
	ip := n.answers[min(int(n.asked.Add(1)), len(n.answers))-1].As4()
	reply[7] = 1
	reply = append(reply, 0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 0, 0, 4) // the name above, A, IN, TTL 0, 4 bytes
	return append(reply, ip[:]...)
}

// A name that first leads to an address that is allowed, and to a private one when it is asked again,
// is followed there neither for a new request nor for a redirect.
func TestNamesThatChangeTheirAnswer(t *testing.T) {
	mux := http.NewServeMux()
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Connection", "close")
		if r.URL.Path == "/again" {
			http.Redirect(w, r, "/fine", http.StatusFound)
			return
		}
		w.Write(picture(t))
	})
	base, _ := serve(t, mux)
	port := base[strings.LastIndex(base, ":"):]
	client := func(answers ...string) *Client {
		c := &Client{AllowPrivate: prefixes("127.0.0.1/32"), Resolver: newNames(t, answers...)}
		t.Cleanup(c.Close)
		return c
	}
	t.Run("a new request", func(t *testing.T) {
		c := client("127.0.0.1", "127.0.0.2")
		if _, err := c.Fetch(t.Context(), "http://rebind.example"+port+"/fine"); err != nil {
			t.Fatal(err)
		}
		if _, err := c.Fetch(t.Context(), "http://rebind.example"+port+"/fine"); err == nil || !strings.Contains(err.Error(), "not public") {
			t.Errorf("second: %v", err)
		}
	})
	t.Run("a redirect to itself", func(t *testing.T) {
		if _, err := client("127.0.0.1", "127.0.0.2").Fetch(t.Context(), "http://rebind.example"+port+"/again"); err == nil || !strings.Contains(err.Error(), "not public") {
			t.Errorf("got %v", err)
		}
	})
	t.Run("private from the start", func(t *testing.T) {
		for _, ip := range []string{"10.0.0.1", "169.254.169.254", "127.0.0.2", "0.0.0.0"} {
			if _, err := client(ip).Fetch(t.Context(), "http://metadata.example"+port+"/"); err == nil || !strings.Contains(err.Error(), "not public") {
				t.Errorf("%s: %v", ip, err)
			}
		}
	})
	t.Run("as an octal number", func(t *testing.T) {
		if _, err := client("127.0.0.1").Fetch(t.Context(), "http://0177.0.0.1"+port+"/"); err == nil {
			t.Error("looked up as a name")
		}
	})
}

func TestUnknownName(t *testing.T) {
	c := &Client{Resolver: &net.Resolver{PreferGo: true, Dial: func(context.Context, string, string) (net.Conn, error) {
		return nil, errors.New("no name server at 10.1.2.3")
	}}}
	_, err := c.Fetch(t.Context(), "http://nowhere.example/")
	if err == nil || !strings.Contains(err.Error(), "cannot be looked up") || strings.Contains(err.Error(), "10.1.2.3") {
		t.Errorf("got %v", err)
	}
}

func TestPost(t *testing.T) {
	mux := http.NewServeMux()
	var got atomic.Value
	take := func(status int) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			body, _ := io.ReadAll(r.Body)
			got.Store(r.Method + " " + r.Header.Get("Easel-Test") + " " + string(body))
			w.WriteHeader(status)
		}
	}
	mux.HandleFunc("/200", take(200))
	mux.HandleFunc("/204", take(204))
	mux.HandleFunc("/404", take(404))
	mux.HandleFunc("/500", take(500))
	for path, c := range map[string]struct {
		to     string
		status int
	}{
		"/307": {"/200", 307}, "/308": {"/200", 308}, "/302": {"/200", 302}, "/303": {"/200", 303}, "/private": {"http://10.0.0.1/", 307},
	} {
		mux.Handle(path, http.RedirectHandler(c.to, c.status))
	}
	mux.HandleFunc("/endless", func(w http.ResponseWriter, _ *http.Request) { io.Copy(w, zeros{}) })
	base, c := serve(t, mux)
	for _, test := range []struct{ path, wrong string }{
		{"/200", ""}, {"/204", ""}, {"/307", ""}, {"/308", ""}, {"/endless", ""},
		{"/404", "404 Not Found"}, {"/500", "500 Internal"}, {"/302", "302 Found"}, {"/303", "303 See Other"}, {"/private", "not public"},
	} {
		t.Run(test.path, func(t *testing.T) {
			got.Store("")
			err := c.Post(t.Context(), base+test.path, http.Header{"Easel-Test": {"yes"}}, []byte("body"))
			if (err == nil) != (test.wrong == "") || err != nil && !strings.Contains(err.Error(), test.wrong) {
				t.Fatalf("got %v, want %q", err, test.wrong)
			}
			if err == nil && test.path != "/endless" && got.Load() != "POST yes body" {
				t.Errorf("arrived: %q", got.Load())
			}
			if strings.HasPrefix(test.path, "/30") && err != nil && got.Load() != "" {
				t.Errorf("a redirect made %q of it", got.Load())
			}
		})
	}
}
