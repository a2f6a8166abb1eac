package job

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/easelgrid/easel/api"
	"github.com/easelgrid/easel/coordinator/artifact/artifacttest"
	"github.com/easelgrid/easel/coordinator/store"
	"github.com/easelgrid/easel/coordinator/store/storetest"
)

// A sudden end between any two writes of a submission leaves no job that waits for ever: what is recorded and
// not settled is in the queue, and the client's next request makes one job, not two.
func TestSubmissionThatIsCutOffAnywhere(t *testing.T) {
	a := artifacttest.Open(t, "")
	key, err := NewIdempotencyKey("me", "", "k", "request")
	if err != nil {
		t.Fatal(err)
	}
	order := Submission{Spec: api.ImageSpec{Model: "shapes", N: 1}, Key: key, Dialect: "first", Alias: "7"}
	const writes = 4 // key, alias, place, record
	for cut := 1; cut <= writes+1; cut++ {
		t.Run(fmt.Sprintf("before write %d", cut), func(t *testing.T) {
			address := storetest.Server(t)
			link := newCutter(t, address)
			j := openJobs(t, over(t, "nats://"+link.address), a)
			link.cutBefore(cut)
			if _, err := j.Submit(t.Context(), order); (err != nil) != (cut <= writes) {
				t.Fatalf("submit: %v", err)
			}
			j = openJobs(t, over(t, address), a) // the next start
			queued := map[string]bool{}
			for _, q := range j.Queued(time.Now()) {
				queued[q.ID] = true
			}
			records, err := j.records.All(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			for _, r := range records {
				if !r.Value.Job.State.Terminal() && !queued[r.Key] {
					t.Errorf("job %s is %s and not in the queue", r.Key, r.Value.Job.State)
				}
			}
			again, err := j.Submit(t.Context(), order)
			if err != nil {
				t.Fatalf("again: %v", err)
			}
			if now := j.Queued(time.Now()); len(now) != 1 || now[0].ID != again.ID {
				t.Errorf("in the end %+v are queued, want %s", now, again.ID)
			}
		})
	}
}

func over(t *testing.T, address string) *store.Store {
	t.Helper()
	client, err := nats.Connect(address, nats.NoReconnect())
	if err != nil {
		t.Fatal(err)
	}
	s, err := store.Over(client)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

// A cutter passes a connection on and ends it just before a write.
type cutter struct {
	address string
	cut     chan int
}

func newCutter(t *testing.T, target string) *cutter {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	c := &cutter{listener.Addr().String(), make(chan int, 1)}
	go func() {
		client, err := listener.Accept()
		if err != nil {
			return
		}
		defer client.Close()
		upstream, err := net.Dial("tcp", target[len("nats://"):])
		if err != nil {
			return
		}
		defer upstream.Close()
		go func() { _, _ = io.Copy(client, upstream) }()
		c.pass(upstream, client)
	}()
	return c
}

// cutBefore lets so many writes less one through from now on.
func (c *cutter) cutBefore(write int) { c.cut <- write }

// pass copies what a client sends. Its writes come one after the other, each when the one before it was
// answered.
func (c *cutter) pass(to io.Writer, from io.Reader) {
	left, armed := 0, false
	buffer := make([]byte, 64<<10)
	for {
		n, err := from.Read(buffer)
		select {
		case left = <-c.cut:
			armed = true
		default:
		}
		if armed && bytes.Contains(buffer[:n], []byte("PUB $KV.")) {
			if left--; left == 0 {
				return
			}
		}
		if _, e := to.Write(buffer[:n]); e != nil || err != nil {
			return
		}
	}
}
