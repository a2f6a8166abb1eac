package settings

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/pflag"
)

func TestDefaultIsRight(t *testing.T) {
	if faults := Default().Faults(); len(faults) > 0 {
		t.Error(faults)
	}
}

func TestFaults(t *testing.T) {
	for _, test := range []struct {
		name   string
		change func(*Settings)
		fields string
	}{
		{"nothing at all", func(s *Settings) { *s = Settings{} }, "coordinator data slots runtime"},
		{"everything", func(s *Settings) {
			*s = Settings{Coordinator: "ftp://x", JoinToken: "wrong", Slots: -1, DrainTimeout: -1, StallTimeout: -1, CancelGrace: -1}
		}, "coordinator join data slots runtime drain-timeout stall-timeout cancel-grace"},
		{"an address without a host", func(s *Settings) { s.Coordinator = "http://" }, "coordinator"},
		{"too many slots", func(s *Settings) { s.Slots = MaxSlots + 1 }, "slots"},
		{"as many slots as there may be", func(s *Settings) { s.Slots = MaxSlots }, ""},
		{"no wait at the end", func(s *Settings) { s.DrainTimeout = 0 }, ""},
		{"no previews", func(s *Settings) { s.PreviewEvery = -1 }, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := Default()
			test.change(&s)
			var fields []string
			for _, fault := range s.Faults() {
				fields = append(fields, fault.Field)
				if strings.Contains(fault.Value+fault.Limit, "wrong") {
					t.Errorf("the token is in a fault: %+v", fault)
				}
			}
			if got := strings.Join(fields, " "); got != test.fields {
				t.Errorf("got %q, want %q", got, test.fields)
			}
		})
	}
}

// Each source changes what it names and nothing else, flags over the environment.
func TestSources(t *testing.T) {
	for _, test := range []struct {
		name        string
		environment map[string]string
		arguments   []string
		want        func(*Settings)
	}{
		{"none", nil, nil, func(*Settings) {}},
		{"the environment", map[string]string{"EASEL_COORDINATOR": "https://a", "EASEL_JOIN_TOKEN": "t"}, nil,
			func(s *Settings) { s.Coordinator, s.JoinToken = "https://a", "t" }},
		{"flags over it", map[string]string{"EASEL_COORDINATOR": "https://a", "EASEL_JOIN_TOKEN": "t"}, []string{"--coordinator", "https://b"},
			func(s *Settings) { s.Coordinator, s.JoinToken = "https://b", "t" }},
		{"every flag", nil, []string{"--coordinator=https://b", "--join=t", "--data=d", "--runtime=fake", "--runtime=builtin", "--slots=3", "--drain-timeout=1s"},
			func(s *Settings) {
				s.Coordinator, s.JoinToken, s.Data, s.Runtimes, s.Slots, s.DrainTimeout = "https://b", "t", "d", []string{"fake", "builtin"}, 3, time.Second
			}},
	} {
		t.Run(test.name, func(t *testing.T) {
			for _, name := range []string{"EASEL_COORDINATOR", "EASEL_JOIN_TOKEN"} {
				t.Setenv(name, test.environment[name])
			}
			got, want := Default(), Default()
			got.FromEnvironment()
			flags := pflag.NewFlagSet("", pflag.ContinueOnError)
			got.Bind(flags, nil)
			if err := flags.Parse(test.arguments); err != nil {
				t.Fatal(err)
			}
			test.want(&want)
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

// A token of the environment is a secret that the help must not print.
func TestHelpHasNoToken(t *testing.T) {
	s := Default()
	s.JoinToken = "easel-join-1.secret"
	flags := pflag.NewFlagSet("", pflag.ContinueOnError)
	s.Bind(flags, []string{"builtin", "fake"})
	help := flags.FlagUsages()
	if strings.Contains(help, "secret") || !strings.Contains(help, "builtin or fake") || !strings.Contains(help, "5m0s") {
		t.Errorf("got\n%s", help)
	}
}

func TestParseCoordinator(t *testing.T) {
	for text, want := range map[string]string{
		"http://127.0.0.1:7878": "http://127.0.0.1:7878", "wss://grid.example/easel/": "https://grid.example/easel", "ws://x?a=b#c": "http://x",
		"ftp://x": "", "grid.example": "", "http://": "", "http://:80": "", "://": "", "": "",
	} {
		got, err := ParseCoordinator(text)
		if (err == nil) != (want != "") || err == nil && got.String() != want {
			t.Errorf("%q: %v, %v, want %q", text, got, err, want)
		}
	}
}

func TestParseToken(t *testing.T) {
	sum := strings.Repeat("Ab", 32)
	for _, test := range []struct {
		text, fingerprint string
		fails             bool
	}{
		{text: ""},
		{text: "easel-join-1.secret\n"},
		{text: "easel-join-1.secret." + sum, fingerprint: strings.ToLower(sum)},
		{text: "secret", fails: true},
		{text: "easel-join-2.secret", fails: true},
		{text: "easel-join-1.", fails: true},
		{text: "easel-join-1.secret.abc", fails: true},
		{text: "easel-join-1.secret." + sum + ".x", fails: true},
	} {
		got, err := ParseToken(test.text)
		if (err != nil) != test.fails || got.Fingerprint != test.fingerprint || !test.fails && got.Text != strings.TrimSpace(test.text) {
			t.Errorf("%q: %+v, %v", test.text, got, err)
		}
		if err != nil && strings.Contains(err.Error(), "secret") {
			t.Errorf("the token is in its error: %v", err)
		}
	}
}
