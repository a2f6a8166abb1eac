package outward

import (
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"unicode/utf8"
)

// maxURL is the most bytes of an address.
const maxURL = 4096

// private4 are the IPv4 addresses that are not public: those of IANA's special-purpose registry that
// are not globally reachable (RFC 6890), multicast and what is reserved, and Azure's platform address,
// which is public by number only. Clouds' metadata services are in it: 169.254.169.254, Alibaba's
// 100.100.100.200, Oracle's 192.0.0.192.
var private4 = prefixes(
	"0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12",
	"192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4",
	"168.63.129.16/32",
)

// IPv6 is the other way round: one block is public, with exceptions: protocol assignments with Teredo
// in them (2001::/23), documentation, and 6to4, behind which any IPv4 address may be.
var (
	global6  = netip.MustParsePrefix("2000::/3")
	private6 = prefixes("2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20")
	// nat64 has the IPv4 address in its last 32 bits (RFC 6052). Where the network has nothing else, the
	// whole IPv4 world is behind it.
	nat64 = netip.MustParsePrefix("64:ff9b::/96")
)

func prefixes(texts ...string) []netip.Prefix {
	list := make([]netip.Prefix, len(texts))
	for i, text := range texts {
		list[i] = netip.MustParsePrefix(text)
	}
	return list
}

// Public reports whether an address is globally reachable in the Internet.
func Public(ip netip.Addr) bool {
	ip = ip.Unmap().WithZone("") // a prefix contains no address with a zone
	if nat64.Contains(ip) {
		b := ip.As16()
		ip = netip.AddrFrom4([4]byte(b[12:]))
	}
	if ip.Is4() {
		return !within(ip, private4)
	}
	return global6.Contains(ip) && !within(ip, private6)
}

func within(ip netip.Addr, list []netip.Prefix) bool {
	for _, p := range list {
		if p.Contains(ip) {
			return true
		}
	}
	return false
}

// urlError is what is wrong with an address before anything is sent there.
type urlError string

func (e urlError) Error() string { return string(e) }

// parse reads an address that a user gave.
func (c *Client) parse(address string) (*url.URL, error) {
	if len(address) > maxURL {
		return nil, urlError("an address of " + strconv.Itoa(len(address)) + " bytes")
	}
	if !utf8.ValidString(address) || strings.ContainsFunc(address, func(r rune) bool { return r <= ' ' || r == 0x7f || r == '\\' }) {
		return nil, urlError("an address with characters that belong into none")
	}
	u, err := url.Parse(address)
	if err != nil {
		return nil, urlError("an address that cannot be read")
	}
	return u, c.checkURL(u)
}

// checkURL refuses what can be known to be wrong without a connection. The rest is for control.
func (c *Client) checkURL(u *url.URL) error {
	host := u.Hostname()
	switch {
	case u.Scheme != "http" && u.Scheme != "https":
		return urlError("an address that begins with neither http:// nor https://")
	case u.Opaque != "" || host == "":
		return urlError("an address without a host")
	case u.User != nil:
		return urlError("an address with a user name or password")
	case strings.Contains(host, "%"):
		return urlError("an address with a zone")
	}
	port, err := portOf(u)
	if err != nil {
		return err
	}
	ip, err := netip.ParseAddr(host)
	if err == nil {
		return c.checkAddr(netip.AddrPortFrom(ip, port))
	}
	if strings.Contains(host, ":") || endsInNumber(host) {
		return urlError("a host that is neither a name nor an IP address in its usual form")
	}
	return nil
}

func portOf(u *url.URL) (uint16, error) {
	switch text := u.Port(); {
	case text != "":
		port, err := strconv.ParseUint(text, 10, 16)
		if err != nil || port == 0 {
			return 0, urlError("a port that is none")
		}
		return uint16(port), nil
	case u.Scheme == "http":
		return 80, nil
	}
	return 443, nil
}

// endsInNumber reports whether some systems would read the host as an IPv4 address though its form is
// not the usual one, such as 0x7f.1 or 2130706433 (the URL Standard's "ends in a number").
func endsInNumber(host string) bool {
	host = strings.TrimRight(host, ".")
	last := host[strings.LastIndexByte(host, '.')+1:]
	if hex, ok := strings.CutPrefix(strings.ToLower(last), "0x"); ok {
		return strings.Trim(hex, "0123456789abcdef") == ""
	}
	return strings.Trim(last, "0123456789") == ""
}
