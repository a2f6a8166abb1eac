package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/easelgrid/easel/api"
	"github.com/easelgrid/easel/api/client"
)

// clientFlags name the coordinator to talk to, and the key for it.
type clientFlags struct{ coordinator, key, keyFile, caCert string }

func (f *clientFlags) register(set *pflag.FlagSet) {
	set.StringVar(&f.coordinator, "coordinator", cmpOr(os.Getenv("EASEL_COORDINATOR"), "http://127.0.0.1:7878"), "`URL` of the coordinator (or EASEL_COORDINATOR)")
	set.StringVar(&f.key, "key", "", "API key (or EASEL_KEY)")
	set.StringVar(&f.keyFile, "key-file", "", "file with the API key, which keeps it out of the process list")
	set.StringVar(&f.caCert, "ca-cert", "", "PEM `file` with the certificate of a coordinator that made its own (its DIR/cert.pem)")
}

func cmpOr(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

func (f *clientFlags) client() (*client.Client, error) {
	key := cmpOr(f.key, os.Getenv("EASEL_KEY"))
	if f.keyFile != "" {
		body, err := os.ReadFile(f.keyFile)
		if err != nil {
			return nil, usageError{fmt.Errorf("--key-file: %w", err)}
		}
		key = strings.TrimSpace(string(body))
	}
	u, err := url.Parse(f.coordinator)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, usageError{fmt.Errorf("--coordinator: got %s, want a URL such as http://127.0.0.1:7878", api.Quote(f.coordinator))}
	}
	if key == "" {
		return nil, usageError{errors.New("no API key: give --key, --key-file or EASEL_KEY (the coordinator wrote one to DIR/admin.key)")}
	}
	trusting, err := f.httpClient()
	if err != nil {
		return nil, err
	}
	return &client.Client{URL: strings.TrimSuffix(f.coordinator, "/"), Key: key, HTTP: trusting}, nil
}

// httpClient trusts the given certificate and no other; without one, what the system trusts.
func (f *clientFlags) httpClient() (*http.Client, error) {
	if f.caCert == "" {
		return http.DefaultClient, nil
	}
	body, err := os.ReadFile(f.caCert)
	if err != nil {
		return nil, usageError{fmt.Errorf("--ca-cert: %w", err)}
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(body) {
		return nil, usageError{fmt.Errorf("--ca-cert: %s holds no PEM certificate", f.caCert)}
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.TLSClientConfig = &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}
	return &http.Client{Transport: transport}, nil
}

// unreachableError is a coordinator that does not answer.
type unreachableError struct{ error }

func (e unreachableError) Unwrap() error { return e.error }

// reached puts the coordinator's address into network errors, in place of the request's URL.
func reached(c *client.Client, err error) error {
	if _, ok := errors.AsType[*url.Error](err); ok && !errors.Is(err, context.Canceled) {
		return unreachableError{fmt.Errorf("the coordinator at %s cannot be reached: %w", c.URL, errors.Unwrap(err))}
	}
	return err
}

func generateCommand() *cobra.Command {
	var (
		flags  imageFlags
		server clientFlags
	)
	c := &cobra.Command{
		Use:   "generate --prompt TEXT -o FILE.png",
		Short: "Make pictures through a coordinator",
		Long:  "Submits a job, shows its progress and fetches the pictures. Ctrl-C cancels the job.",
		Example: `  easel generate --coordinator http://127.0.0.1:7878 --key-file data/admin.key \
      --prompt "a green star on a white background" --n 2 -o star.png`,
		Args: noArguments,
		RunE: func(c *cobra.Command, _ []string) error {
			request, err := flags.build()
			if err != nil {
				return err
			}
			coordinator, err := server.client()
			if err != nil {
				return err
			}
			return reached(coordinator, generate(c.Context(), c.OutOrStdout(), coordinator, &flags, request))
		},
	}
	flags.register(c.Flags())
	server.register(c.Flags())
	return c
}

func generate(ctx context.Context, out io.Writer, c *client.Client, flags *imageFlags, request api.JobRequest) error {
	job, err := c.Submit(ctx, request, "")
	if err != nil {
		return err
	}
	job, err = follow(ctx, c, job.ID, newBar("easel"))
	if err != nil {
		return err
	}
	for _, i := range job.Images {
		if err := fetch(ctx, c, i, flags.path(i.Index, len(job.Images))); err != nil {
			return err
		}
	}
	if flags.printJSON {
		return writeJSON(out, job)
	}
	for _, i := range job.Images {
		fmt.Fprintf(out, "%s  seed %d\n", flags.path(i.Index, len(job.Images)), i.Seed)
	}
	fmt.Fprintf(out, "job %s on node %s, attempt %d, %.1f s on the node\n", job.ID, job.NodeID, job.Attempt, job.Receipt.Timings.Total)
	return nil
}

// follow waits for a job and shows its progress. When ctx ends it cancels the job. A job that ends
// without pictures is an error.
func follow(ctx context.Context, c *client.Client, id string, progress *bar) (api.Job, error) {
	defer progress.clear()
	job, err := c.Wait(ctx, id, func(e client.Event) error {
		var p api.Progress
		if e.Name == "progress" && json.Unmarshal(e.Data, &p) == nil {
			progress.show(p)
		}
		return nil
	})
	if ctx.Err() != nil {
		_, err := c.Cancel(context.WithoutCancel(ctx), id)
		return job, errors.Join(api.Errorf(api.CodeCanceled, "canceled"), err)
	}
	switch {
	case err != nil:
		return job, err
	case job.Error != nil:
		return job, job.Error
	case job.State != api.StateSucceeded:
		return job, api.Errorf(api.CodeCanceled, "the job was %s", job.State)
	}
	return job, nil
}

func fetch(ctx context.Context, c *client.Client, i api.Image, target string) error {
	var body bytes.Buffer
	if err := c.Image(ctx, i.URL, &body); err != nil {
		return err
	}
	return writePicture(target, body.Bytes())
}
