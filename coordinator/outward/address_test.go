package outward

import (
	"net/netip"
	"strings"
	"testing"
)

func TestPublic(t *testing.T) {
	for _, test := range []struct {
		name, ip string
		public   bool
	}{
		{"an address", "8.8.8.8", true},
		{"the last before private", "9.255.255.255", true},
		{"the first after private", "11.0.0.0", true},
		{"this network", "0.0.0.1", false},
		{"unspecified", "0.0.0.0", false},
		{"private 10", "10.1.2.3", false},
		{"private 172", "172.31.255.255", false},
		{"beside private 172", "172.32.0.0", true},
		{"private 192", "192.168.0.1", false},
		{"loopback", "127.0.0.1", false},
		{"other loopback", "127.255.255.254", false},
		{"carrier-grade NAT", "100.64.0.1", false},
		{"end of carrier-grade NAT", "100.127.255.255", false},
		{"beside it", "100.128.0.0", true},
		{"metadata of AWS, Azure, Google", "169.254.169.254", false},
		{"metadata of Alibaba", "100.100.100.200", false},
		{"metadata of Oracle", "192.0.0.192", false},
		{"platform of Azure", "168.63.129.16", false},
		{"documentation 1", "192.0.2.1", false},
		{"documentation 2", "198.51.100.1", false},
		{"documentation 3", "203.0.113.1", false},
		{"benchmark", "198.19.255.255", false},
		{"6to4 relay", "192.88.99.1", false},
		{"multicast", "224.0.0.1", false},
		{"reserved", "240.0.0.1", false},
		{"broadcast", "255.255.255.255", false},

		{"an IPv6 address", "2606:4700::1111", true},
		{"unspecified 6", "::", false},
		{"loopback 6", "::1", false},
		{"mapped loopback", "::ffff:127.0.0.1", false},
		{"mapped public", "::ffff:8.8.8.8", true},
		{"compatible", "::127.0.0.1", false},
		{"compatible public", "::8.8.8.8", false},
		{"translated", "::ffff:0:127.0.0.1", false},
		{"NAT64 of loopback", "64:ff9b::127.0.0.1", false},
		{"NAT64 of metadata", "64:ff9b::a9fe:a9fe", false},
		{"NAT64 of private", "64:ff9b::10.0.0.1", false},
		{"NAT64 of public", "64:ff9b::8.8.8.8", true},
		{"local NAT64", "64:ff9b:1::8.8.8.8", false},
		{"discard", "100::1", false},
		{"Teredo", "2001::1", false},
		{"ORCHID", "2001:20::1", false},
		{"documentation 6", "2001:db8::1", false},
		{"documentation 6, with a zone", "2001:db8::1%eth0", false},
		{"new documentation 6", "3fff::1", false},
		{"6to4 of loopback", "2002:7f00:1::1", false},
		{"6to4 of public", "2002:808:808::1", false},
		{"segment routing", "5f00::1", false},
		{"unique local", "fd12::1", false},
		{"metadata of AWS, 6", "fd00:ec2::254", false},
		{"link-local", "fe80::1", false},
		{"link-local with a zone", "fe80::1%eth0", false},
		{"site-local", "fec0::1", false},
		{"multicast 6", "ff02::1", false},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := Public(netip.MustParseAddr(test.ip)); got != test.public {
				t.Errorf("%s: %v", test.ip, got)
			}
		})
	}
}

func TestCheck(t *testing.T) {
	const fine = ""
	for _, test := range []struct{ name, address, wrong string }{
		{"plain", "http://example.com/a.png", fine},
		{"query, port, fragment", "https://example.com:8443/a.png?x=1#y", fine},
		{"no path", "https://example.com", fine},
		{"trailing dot", "http://example.com./a.png", fine},
		{"other letters", "http://bücher.example/a.png", fine},
		{"public IP", "http://8.8.8.8/", fine},
		{"public IPv6", "http://[2606:4700::1111]:80/", fine},
		{"name with numbers", "http://1.2.3.4.example/", fine},
		{"empty", "", "neither http"},
		{"no scheme", "example.com/a.png", "neither http"},
		{"another scheme", "ftp://example.com/a.png", "neither http"},
		{"a file", "file:///etc/passwd", "neither http"},
		{"data", "data:image/png;base64,AAAA", "neither http"},
		{"gopher", "gopher://127.0.0.1:6379/_INFO", "neither http"},
		{"no host", "http:///a.png", "without a host"},
		{"only a port", "http://:80/", "without a host"},
		{"opaque", "http:example.com", "without a host"},
		{"user", "http://user@example.com/", "user name or password"},
		{"password", "http://user:secret@example.com/", "user name or password"},
		{"host behind @", "http://example.com@127.0.0.1/", "user name or password"},
		{"backslash", `http://example.com\@127.0.0.1/`, "belong into none"},
		{"line break", "http://example.com/\r\nX: y", "belong into none"},
		{"blank", "http://example.com/a b", "belong into none"},
		{"NUL", "http://example.com/\x00", "belong into none"},
		{"not UTF-8", "http://example.com/\xff", "belong into none"},
		{"port 0", "http://example.com:0/", "port that is none"},
		{"port over 65535", "http://example.com:65536/", "port that is none"},
		{"port in words", "http://example.com:http/", "cannot be read"},
		{"loopback", "http://127.0.0.1/", "not public"},
		{"loopback, trailing dot", "http://127.0.0.1./", "neither a name nor"},
		{"short", "http://127.1/", "neither a name nor"},
		{"one number", "http://2130706433/", "neither a name nor"},
		{"hexadecimal", "http://0x7f000001/", "neither a name nor"},
		{"hexadecimal parts", "http://0x7F.0x0.0x0.0x1/", "neither a name nor"},
		{"octal", "http://0177.0.0.1/", "neither a name nor"},
		{"too many parts", "http://1.2.3.4.5/", "neither a name nor"},
		{"escaped", "http://%31%32%37.0.0.1/", "cannot be read"},
		{"escaped zone", "http://[fe80::1%25eth0]/", "zone"},
		{"mapped", "http://[::ffff:7f00:1]/", "not public"},
		{"loopback 6", "http://[::1]/", "not public"},
		{"half an IPv6", "http://[::1/", "cannot be read"},
		{"metadata", "http://169.254.169.254/latest/meta-data/", "not public"},
		{"too long", "http://example.com/" + strings.Repeat("a", maxURL), "bytes"},
	} {
		t.Run(test.name, func(t *testing.T) {
			err := new(Client).Check(test.address)
			if (err == nil) != (test.wrong == fine) || err != nil && !strings.Contains(err.Error(), test.wrong) {
				t.Errorf("%q: got %v, want %q", test.address, err, test.wrong)
			}
			if err != nil && strings.Contains(err.Error(), "secret") {
				t.Errorf("the password is given away: %v", err)
			}
		})
	}
}

func TestPortsCanBeLimited(t *testing.T) {
	c := &Client{Ports: []uint16{443}}
	for address, wrong := range map[string]bool{"https://8.8.8.8/": false, "https://8.8.8.8:443/": false, "http://8.8.8.8/": true, "https://8.8.8.8:22/": true} {
		if err := c.Check(address); (err != nil) != wrong {
			t.Errorf("%s: %v", address, err)
		}
	}
}

// Whatever a user gives as an address: if its host is read as an IP address at all, in the forms of
// Go or of the C library, it is a public one.
func FuzzCheck(f *testing.F) {
	for _, seed := range []string{
		"http://127.0.0.1/", "http://[::ffff:127.0.0.1]/", "http://0x7f.1/", "http://a@b:1/?c#d", "https://[fe80::1%25en0]:1/",
		"http://[64:ff9b::7f00:1]", "http://１２７.0.0.1/", "http://017700000001", "HTTP://EXAMPLE.com.:80",
	} {
		f.Add(seed)
	}
	c := new(Client)
	f.Fuzz(func(t *testing.T, address string) {
		u, err := c.parse(address)
		if err != nil {
			return
		}
		if u.Scheme != "http" && u.Scheme != "https" || u.User != nil || u.Hostname() == "" {
			t.Fatalf("%q was accepted as %#v", address, u)
		}
		if ip, err := netip.ParseAddr(u.Hostname()); err == nil && (!Public(ip) || ip.Zone() != "" || ip.IsPrivate() || ip.IsLoopback() || ip.IsLinkLocalUnicast() || ip.IsMulticast()) {
			t.Fatalf("%q was accepted with %s", address, ip)
		} else if err != nil && endsInNumber(u.Hostname()) {
			t.Fatalf("%q was accepted with the number %s", address, u.Hostname())
		}
	})
}

// What is public is none of what Go's own words call private, in every disguise of an IPv4 address.
func FuzzPublic(f *testing.F) {
	f.Add([]byte{127, 0, 0, 1})
	f.Add([]byte{169, 254, 169, 254})
	f.Add(netip.MustParseAddr("64:ff9b::a00:1").AsSlice())
	f.Fuzz(func(t *testing.T, b []byte) {
		ip, ok := netip.AddrFromSlice(b)
		if !ok || !Public(ip) {
			return
		}
		if ip.Unmap().IsPrivate() || ip.Unmap().IsLoopback() || ip.Unmap().IsLinkLocalUnicast() || ip.Unmap().IsMulticast() || ip.Unmap().IsUnspecified() {
			t.Fatalf("%s is public", ip)
		}
		if ip.Is4() {
			as6 := netip.AddrFrom16(ip.As16())
			packed := ip.As4()
			through := netip.MustParseAddr("64:ff9b::").As16()
			copy(through[12:], packed[:])
			if !Public(as6) || !Public(netip.AddrFrom16(through)) {
				t.Fatalf("%s is public and its other forms are not", ip)
			}
		}
	})
}
