package redfish

import (
	"context"
	"errors"
	"net"
	"strings"
	"testing"
	"time"
)

const ssdpAnswer = "HTTP/1.1 200 OK\r\nCACHE-CONTROL: max-age=1800\r\nST: urn:dmtf-org:service:redfish-rest:1:0\r\nUSN: uuid:6fa459ea-ee8a-3ca4-894e-db77e160355e::urn:dmtf-org:service:redfish-rest:1:0\r\nAL: https://192.0.2.7/redfish/v1/\r\nEXT:\r\n\r\n"

// TestSearch: three questions, each service once, whatever else answers.
func TestSearch(t *testing.T) {
	peer, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer peer.Close()
	asked := make(chan string, 8)
	go func() {
		buf := make([]byte, 2048)
		for {
			n, from, err := peer.ReadFromUDP(buf)
			if err != nil {
				close(asked)
				return
			}
			asked <- string(buf[:n])
			for _, a := range []string{ssdpAnswer, "garbage", "HTTP/1.1 200 OK\r\nST: upnp:rootdevice\r\nAL: https://192.0.2.8/\r\n\r\n"} {
				peer.WriteToUDP([]byte(a), from)
			}
		}
	}()
	conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	found, err := search(soon(t), conn, peer.LocalAddr(), 50*time.Millisecond, 100*time.Millisecond)
	if err != nil {
		t.Fatal(err)
	}
	peer.Close()
	n := 0
	for q := range asked {
		n++
		if !strings.HasPrefix(q, "M-SEARCH * HTTP/1.1\r\n") || !strings.Contains(q, "ST: urn:dmtf-org:service:redfish-rest:1\r\n") || !strings.Contains(q, "MAN: \"ssdp:discover\"\r\n") {
			t.Errorf("question %q", q)
		}
	}
	if n != ssdpTries || len(found) != 1 {
		t.Fatalf("%d questions, found %+v", n, found)
	}
	if found[0].Root.Host != "192.0.2.7" || found[0].UUID != "6fa459ea-ee8a-3ca4-894e-db77e160355e" || !found[0].From.IsValid() {
		t.Errorf("%+v", found[0])
	}
}

func TestSearchEndsWithItsContext(t *testing.T) {
	conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Millisecond)
	defer cancel()
	start := time.Now()
	if _, err := search(ctx, conn, conn.LocalAddr(), time.Minute, time.Minute); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v", err)
	}
	if d := time.Since(start); d > 10*time.Second {
		t.Errorf("ended after %s", d)
	}
}

func FuzzSSDPAnswer(f *testing.F) {
	f.Add([]byte(ssdpAnswer))
	f.Add([]byte("HTTP/1.1 200 OK\r\nST: urn:dmtf-org:service:redfish-rest:1\r\nAL: /redfish/v1\r\n\r\n"))
	f.Add([]byte("NOTIFY * HTTP/1.1\r\n\r\n"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		if a, ok := parseAnswer(raw); ok && (a.Root == nil || a.Root.Host == "") {
			t.Fatalf("an answer without a host: %+v", a)
		}
	})
}
