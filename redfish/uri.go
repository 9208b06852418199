package redfish

import (
	"fmt"
	"net/url"
	"path"
	"strings"
)

// root of every service (DSP0266 §6.2).
const rootURI = "/redfish/v1/"

// localPath is the path of a link that stays on this BMC. Links with a host are
// never followed (a reference shelf links to https://192.168.1.22/…).
func localPath(link string) (string, error) {
	u, err := url.Parse(link)
	switch {
	case err != nil:
		return "", fmt.Errorf("link %q: %w", link, err)
	case u.Host != "" || u.Scheme != "" || u.Opaque != "":
		return "", fmt.Errorf("%w: link %q names another host", ErrUnsupported, link)
	case !strings.HasPrefix(u.Path, "/"):
		return "", fmt.Errorf("%w: link %q is not an absolute path", ErrUnsupported, link)
	}
	u.Fragment = ""
	return u.String(), nil
}

// ownPath is localPath for a Location header, which may be absolute and may
// name the BMC by an address we do not know it by: only its path is kept.
func ownPath(location string) string {
	u, err := url.Parse(location)
	if err != nil || !strings.HasPrefix(u.Path, "/") {
		return ""
	}
	return (&url.URL{Path: u.Path, RawPath: u.RawPath, RawQuery: u.RawQuery}).String()
}

// twin is the same path with the trailing slash the other way: services differ
// in which of the two they serve.
func twin(uri string) string {
	if rest, ok := strings.CutSuffix(uri, "/"); ok {
		return rest
	}
	return uri + "/"
}

// sameURI compares two resource names without fragment, trailing slash or case.
func sameURI(a, b string) bool { return strings.EqualFold(resourceKey(a), resourceKey(b)) }

func resourceKey(uri string) string {
	uri, _, _ = strings.Cut(uri, "#")
	return strings.TrimRight(uri, "/")
}

// lastSegment is the id a URI ends in.
func lastSegment(uri string) string { return path.Base(resourceKey(uri)) }
