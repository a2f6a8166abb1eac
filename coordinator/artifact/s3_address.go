package artifact

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
	"github.com/minio/minio-go/v7/pkg/encrypt"

	"github.com/easelgrid/easel/api"
)

// s3Attempts is how often a request is sent before its failure counts.
const s3Attempts = 3

// An s3Address is which bucket to open, as in "s3://bucket?region=...&endpoint=https://...&prefix=easel/" names.
type s3Address struct {
	bucket    string
	prefix    string
	region    string             // "" asks the bucket
	endpoint  *url.URL           // nil for Amazon's own
	pathStyle bool               // the bucket's name goes into the path and not into the host's name
	profile   string             // of the files of Amazon's programs; "" for the usual search
	anonymous bool               // requests are not signed
	sse       encrypt.ServerSide // nil for the bucket's own setting
}

// s3Parameters are what may stand in an address. Some have a second name, from the program that read
// these addresses in earlier versions.
var s3Parameters = []string{
	"region", "endpoint", "prefix", "s3ForcePathStyle", "use_path_style", "hostname_immutable",
	"profile", "anonymous", "disable_https", "ssetype", "kmskeyid",
}

// parseS3 reads an address and names every parameter that is wrong.
func parseS3(where string) (s3Address, error) {
	u, err := url.Parse(where)
	if err != nil || u.Scheme != "s3" || u.Host == "" || strings.Trim(u.Path, "/") != "" || u.User != nil {
		return s3Address{}, fmt.Errorf("got %s, want s3://BUCKET?region=REGION", api.Quote(where))
	}
	q, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return s3Address{}, fmt.Errorf("the parameters of %s: %w", api.Quote(where), err)
	}
	var problems []error
	for name, values := range q {
		if !slices.Contains(s3Parameters, name) || len(values) != 1 {
			problems = append(problems, fmt.Errorf("parameter %s: want each of %s at most once", api.Quote(name), strings.Join(s3Parameters, ", ")))
		}
	}
	flag := func(name string) bool {
		on, err := strconv.ParseBool(cmp.Or(q.Get(name), "false"))
		if err != nil {
			problems = append(problems, fmt.Errorf("parameter %s: got %s, want true or false", name, api.Quote(q.Get(name))))
		}
		return on
	}
	a := s3Address{
		bucket: u.Host, prefix: q.Get("prefix"), profile: q.Get("profile"), anonymous: flag("anonymous"),
		region:    cmp.Or(q.Get("region"), os.Getenv("AWS_REGION"), os.Getenv("AWS_DEFAULT_REGION")),
		pathStyle: flag("s3ForcePathStyle") || flag("use_path_style") || flag("hostname_immutable"),
	}
	if a.endpoint, err = s3Endpoint(q.Get("endpoint"), flag("disable_https")); err != nil {
		problems = append(problems, err)
	}
	if a.sse, err = s3Encryption(q.Get("ssetype"), q.Get("kmskeyid")); err != nil {
		problems = append(problems, err)
	}
	return a, errors.Join(problems...)
}

func s3Endpoint(text string, plain bool) (*url.URL, error) {
	if text == "" && plain {
		return &url.URL{Scheme: "http", Host: "s3.amazonaws.com"}, nil
	}
	if text == "" {
		return nil, nil
	}
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" || strings.Trim(u.Path, "/") != "" {
		return nil, fmt.Errorf("parameter endpoint: got %s, want an address such as https://s3.example.com", api.Quote(text))
	}
	return u, nil
}

func s3Encryption(kind, key string) (encrypt.ServerSide, error) {
	switch {
	case kind == "" && key == "":
		return nil, nil
	case kind == "AES256" && key == "":
		return encrypt.NewSSE(), nil
	case kind == "aws:kms":
		return encrypt.NewSSEKMS(key, nil)
	}
	return nil, fmt.Errorf("parameter ssetype: got %s, want AES256, or aws:kms with or without kmskeyid", api.Quote(kind))
}

// lookup is where the bucket's name goes. An address of numbers has no names below it.
func (a s3Address) lookup() minio.BucketLookupType {
	switch {
	case a.pathStyle:
		return minio.BucketLookupPath
	case a.endpoint == nil || net.ParseIP(a.endpoint.Hostname()) != nil:
		return minio.BucketLookupAuto
	}
	return minio.BucketLookupDNS
}

// providers are where credentials are looked for, as every program for S3 does: the environment, the
// files of Amazon's programs, the machine's role.
func (a s3Address) providers() []credentials.Provider {
	files := &credentials.FileAWSCredentials{Profile: a.profile}
	if a.profile != "" {
		return []credentials.Provider{files}
	}
	role := &credentials.IAM{Region: a.region}
	if off, _ := strconv.ParseBool(os.Getenv("AWS_EC2_METADATA_DISABLED")); off && !roleInEnvironment() {
		return []credentials.Provider{&credentials.EnvAWS{}, files}
	}
	return []credentials.Provider{&credentials.EnvAWS{}, files, role}
}

// roleInEnvironment reports whether the role is named there, and no machine has to be asked for it.
func roleInEnvironment() bool {
	return cmp.Or(os.Getenv("AWS_WEB_IDENTITY_TOKEN_FILE"), os.Getenv("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"), os.Getenv("AWS_CONTAINER_CREDENTIALS_FULL_URI")) != ""
}

// open makes the client. The bucket is not asked yet.
func (a s3Address) open(ctx context.Context) (*s3, error) {
	host, secure := "s3.amazonaws.com", true
	if a.endpoint != nil {
		host, secure = a.endpoint.Host, a.endpoint.Scheme == "https"
	}
	transport, err := minio.DefaultTransport(secure)
	if err != nil {
		return nil, err
	}
	signing := credentials.NewChainCredentials(a.providers())
	if a.anonymous {
		signing = credentials.NewStatic("", "", "", credentials.SignatureAnonymous)
	} else if err := a.signed(ctx, signing, transport); err != nil {
		return nil, err
	}
	client, err := minio.NewCore(host, &minio.Options{
		Creds: signing, Secure: secure, Transport: transport, Region: a.region, BucketLookup: a.lookup(), MaxRetries: s3Attempts,
	})
	if err != nil {
		return nil, err
	}
	return &s3{
		client: client, bucket: a.bucket, prefix: a.prefix,
		kept: minio.PutObjectOptions{ServerSideEncryption: a.sse}, rest: transport.CloseIdleConnections,
	}, nil
}

// signed reports what is wrong if there are no credentials: the client would send requests without.
func (a s3Address) signed(ctx context.Context, signing *credentials.Credentials, transport http.RoundTripper) error {
	ctx, cancel := context.WithTimeout(ctx, s3Time)
	defer cancel()
	value, err := signing.GetWithContext(&credentials.CredContext{Client: &http.Client{Transport: transport}, Context: ctx})
	if err == nil && value.AccessKeyID == "" {
		err = errors.New("there are none in the environment, in ~/.aws, or from a role of this machine")
	}
	if err != nil {
		return fmt.Errorf("credentials for s3://%s: %w", a.bucket, err)
	}
	return nil
}
