package artifact

import (
	"context"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
)

func TestParseS3(t *testing.T) {
	t.Setenv("AWS_REGION", "")
	t.Setenv("AWS_DEFAULT_REGION", "eu-west-1")
	for _, test := range []struct {
		where, endpoint, region, prefix string
		lookup                          minio.BucketLookupType
	}{
		{"s3://b", "", "eu-west-1", "", minio.BucketLookupAuto},
		{"s3://b?region=us-east-1", "", "us-east-1", "", minio.BucketLookupAuto},
		{"s3://b?endpoint=https://s3.example.com&prefix=easel/", "https://s3.example.com", "eu-west-1", "easel/", minio.BucketLookupDNS},
		{"s3://b?endpoint=https://s3.example.com&s3ForcePathStyle=true", "https://s3.example.com", "eu-west-1", "", minio.BucketLookupPath},
		{"s3://b?endpoint=https://s3.example.com/&use_path_style=1", "https://s3.example.com/", "eu-west-1", "", minio.BucketLookupPath},
		{"s3://b?endpoint=http://127.0.0.1:7070", "http://127.0.0.1:7070", "eu-west-1", "", minio.BucketLookupAuto},
		{"s3://b?disable_https=true", "http://s3.amazonaws.com", "eu-west-1", "", minio.BucketLookupDNS},
	} {
		a, err := parseS3(test.where)
		endpoint := ""
		if a.endpoint != nil {
			endpoint = a.endpoint.String()
		}
		if err != nil || a.bucket != "b" || endpoint != test.endpoint || a.region != test.region || a.prefix != test.prefix || a.lookup() != test.lookup {
			t.Errorf("%s: %+v, lookup %v, %v", test.where, a, a.lookup(), err)
		}
	}
}

func TestParseS3NamesEveryFault(t *testing.T) {
	for where, want := range map[string][]string{
		"s3://":                               {"want s3://BUCKET"},
		"s3://b/folder":                       {"want s3://BUCKET"},
		"s3://key:secret@b":                   {"want s3://BUCKET"},
		"s3://b?region=a;b":                   {"the parameters"},
		"s3://b?unknown=1&anonymous=perhaps":  {`"unknown"`, "anonymous", "true or false"},
		"s3://b?region=a&region=b":            {`"region"`, "at most once"},
		"s3://b?endpoint=s3.example.com":      {"parameter endpoint", "https://s3.example.com"},
		"s3://b?endpoint=https://x/below":     {"parameter endpoint"},
		"s3://b?ssetype=rot13&endpoint=ftp:x": {"parameter ssetype", "aws:kms", "parameter endpoint"},
		"s3://b?kmskeyid=1":                   {"parameter ssetype"},
	} {
		_, err := parseS3(where)
		for _, part := range want {
			if err == nil || !strings.Contains(err.Error(), part) {
				t.Errorf("%s: %v, want %s", where, err, part)
			}
		}
	}
}

func TestS3Encryption(t *testing.T) {
	for query, want := range map[string]http.Header{
		"":                           {},
		"ssetype=AES256":             {"X-Amz-Server-Side-Encryption": {"AES256"}},
		"ssetype=aws:kms&kmskeyid=k": {"X-Amz-Server-Side-Encryption": {"aws:kms"}, "X-Amz-Server-Side-Encryption-Aws-Kms-Key-Id": {"k"}},
	} {
		a, err := parseS3("s3://b?" + query)
		if err != nil {
			t.Fatal(err)
		}
		got := http.Header{}
		if a.sse != nil {
			a.sse.Marshal(got)
		}
		if len(got) != len(want) {
			t.Errorf("%s: %v", query, got)
		}
		for name := range want {
			if got.Get(name) != want.Get(name) {
				t.Errorf("%s: %s is %s", query, name, got.Get(name))
			}
		}
	}
}

// Credentials are looked for in the environment, then in the files, then with the machine's role.
func TestS3Credentials(t *testing.T) {
	role := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = w.Write([]byte(`{"AccessKeyId":"of the role","SecretAccessKey":"s","Token":"t","Expiration":"2100-01-01T00:00:00Z"}`))
	}))
	defer role.Close()
	file := filepath.Join(t.TempDir(), "credentials")
	if err := os.WriteFile(file, []byte("[default]\naws_access_key_id = of the file\naws_secret_access_key = s\n[other]\naws_access_key_id = of the profile\naws_secret_access_key = s\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name, where string
		environment map[string]string
		want        string // the key's id, or a part of the error
	}{
		{"the environment first", "s3://b", map[string]string{"AWS_ACCESS_KEY_ID": "of the environment", "AWS_SECRET_ACCESS_KEY": "s", "AWS_SHARED_CREDENTIALS_FILE": file}, "of the environment"},
		{"then a file", "s3://b", map[string]string{"AWS_SHARED_CREDENTIALS_FILE": file, "AWS_CONTAINER_CREDENTIALS_FULL_URI": role.URL}, "of the file"},
		{"then the role", "s3://b", map[string]string{"AWS_CONTAINER_CREDENTIALS_FULL_URI": role.URL}, "of the role"},
		{"a profile of the file", "s3://b", map[string]string{"AWS_SHARED_CREDENTIALS_FILE": file, "AWS_PROFILE": "other"}, "of the profile"},
		{"a profile by the address", "s3://b?profile=other", map[string]string{"AWS_ACCESS_KEY_ID": "of the environment", "AWS_SECRET_ACCESS_KEY": "s", "AWS_SHARED_CREDENTIALS_FILE": file}, "of the profile"},
		{"none", "s3://b", nil, "credentials for s3://b: there are none"},
		{"none wanted", "s3://b?anonymous=true", nil, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			nowhere := filepath.Join(t.TempDir(), "nowhere")
			for _, name := range []string{"AWS_ACCESS_KEY_ID", "AWS_ACCESS_KEY", "AWS_SECRET_ACCESS_KEY", "AWS_SECRET_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE", "AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "AWS_CONTAINER_CREDENTIALS_FULL_URI"} {
				t.Setenv(name, "")
			}
			t.Setenv("AWS_EC2_METADATA_DISABLED", "true") // this machine's role is not asked for
			t.Setenv("AWS_SHARED_CREDENTIALS_FILE", nowhere)
			t.Setenv("AWS_CONFIG_FILE", nowhere)
			for name, value := range test.environment {
				t.Setenv(name, value)
			}
			if got := keyOf(t.Context(), t, test.where); !strings.Contains(got, test.want) || test.want == "" && got != "" {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}

// keyOf is the id of the key that requests to an address are signed with, or the error.
func keyOf(ctx context.Context, t *testing.T, where string) string {
	t.Helper()
	a, err := parseS3(where)
	if err != nil {
		t.Fatal(err)
	}
	s, err := a.open(ctx)
	if err != nil {
		return err.Error()
	}
	defer s.close()
	value, err := s.client.GetCreds()
	if err != nil {
		t.Fatal(err)
	}
	if (value.SignerType == credentials.SignatureAnonymous) != a.anonymous {
		t.Errorf("%s: signed as %v", where, value.SignerType)
	}
	return value.AccessKeyID
}
