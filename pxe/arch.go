package pxe

import "github.com/rackwright/rackwright/images"

// Machine kinds that have a boot program each: the keys of Policy.Programs.
const (
	KeyBIOS      = "bios"
	KeyAMD64     = "amd64"
	KeyARM64     = "arm64"
	KeyAMD64HTTP = "amd64-http"
	KeyARM64HTTP = "arm64-http"
)

// DefaultPrograms are the file names of Debian's ipxe package on x86. Debian
// ships none for arm64: that one is the operator's file.
func DefaultPrograms() map[string]string {
	return map[string]string{KeyBIOS: "undionly.kpxe", KeyAMD64: "snponly.efi", KeyAMD64HTTP: "snponly.efi",
		KeyARM64: "snponly-arm64.efi", KeyARM64HTTP: "snponly-arm64.efi"}
}

// machine maps option 93 (RFC 4578 and the IANA processor architecture list)
// to our words. The codes 6 and 15 (32-bit EFI), 27, 28 and 37-41 are real
// machines that we have no program for.
func machine(code uint16) (arch images.Arch, bios, ok bool) {
	switch code {
	case 0, 20:
		return images.ArchAMD64, true, true
	case 7, 9, 16, 17:
		return images.ArchAMD64, false, true
	case 11, 19:
		return images.ArchARM64, false, true
	}
	return "", false, false
}

// ProgramKey is the key of Policy.Programs for a machine.
func ProgramKey(r Request) string {
	switch {
	case r.BIOS:
		return KeyBIOS
	case r.Arch == "":
		return ""
	case r.Class == ClassHTTP:
		return string(r.Arch) + "-http"
	}
	return string(r.Arch)
}
