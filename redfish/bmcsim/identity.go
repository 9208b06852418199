package bmcsim

import (
	"crypto/sha256"
	"fmt"
	"net"
)

func seed(parts ...string) string { return fmt.Sprintf("%x", sha256.Sum256([]byte(fmt.Sprint(parts)))) }

func serial(parts ...string) string {
	const letters = "0123456789ABCDEFGHJKLMNPQRSTUVWXYZ"
	sum := sha256.Sum256([]byte(fmt.Sprint(parts)))
	out := make([]byte, 10)
	for i := range out {
		out[i] = letters[int(sum[i])%len(letters)]
	}
	return string(out)
}

func uuid(of string) string {
	h := seed(of, "uuid")
	return fmt.Sprintf("%s-%s-4%s-8%s-%s", h[:8], h[8:12], h[13:16], h[17:20], h[20:32])
}

// mac is a globally administered unicast address made from the name.
func mac(of, slot string, port int) string {
	sum := sha256.Sum256([]byte(fmt.Sprint(of, slot, port)))
	return net.HardwareAddr{0xb8, sum[0], sum[1], sum[2], sum[3], sum[4]}.String()
}
