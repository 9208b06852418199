package pxe

import (
	"net/netip"
	"time"

	"github.com/insomniacslk/dhcp/dhcpv4"

	"github.com/rackwright/rackwright/inventory"
)

// client is one row of netboot.md §4: what real firmware was seen to send.
type client struct {
	name    string
	vendor  string
	arch    []byte
	user    string // raw, as iPXE sends it
	users   []string
	feats   []byte
	maxSize uint16
	bcast   bool
	want    Class
}

// ipxeFeatures is option 175 of Debian's iPXE 1.0.0+git-20190125 (http = 0x13).
var ipxeFeatures = []byte{0xb1, 5, 1, 0x1a, 0xf4, 0x10, 0x00, 0x13, 1, 1, 0x17, 1, 1, 0x15, 1, 1}

var clients = []client{
	{name: "ovmf-pxe", vendor: "PXEClient:Arch:00007:UNDI:003000", arch: []byte{0, 7}, maxSize: 1472, bcast: true, want: ClassPXE},
	{name: "ovmf-http", vendor: "HTTPClient:Arch:00016:UNDI:003000", arch: []byte{0, 16}, maxSize: 1472, bcast: true, want: ClassHTTP},
	{name: "aavmf-pxe", vendor: "PXEClient:Arch:00011:UNDI:003000", arch: []byte{0, 11}, maxSize: 1472, bcast: true, want: ClassPXE},
	{name: "aavmf-http", vendor: "HTTPClient:Arch:00019:UNDI:003000", arch: []byte{0, 19}, maxSize: 1472, bcast: true, want: ClassHTTP},
	{name: "bios-pxe", vendor: "PXEClient:Arch:00000:UNDI:002001", arch: []byte{0, 0}, maxSize: 1260, want: ClassPXE},
	{name: "ipxe-bios", vendor: "PXEClient:Arch:00000:UNDI:002001", arch: []byte{0, 0}, user: "iPXE", feats: ipxeFeatures, maxSize: 1472, want: ClassIPXE},
	{name: "ipxe-uefi", vendor: "PXEClient:Arch:00007:UNDI:003010", arch: []byte{0, 7}, user: "iPXE", feats: ipxeFeatures, maxSize: 1472, want: ClassIPXE},
	{name: "ipxe-by-175-only", vendor: "PXEClient:Arch:00007:UNDI:003010", arch: []byte{0, 7}, feats: ipxeFeatures, maxSize: 1472, want: ClassIPXE},
	{name: "ipxe-without-http", vendor: "PXEClient:Arch:00000:UNDI:002001", arch: []byte{0, 0}, user: "iPXE", feats: []byte{0x17, 1, 1}, maxSize: 1472, want: ClassIPXE},
	{name: "ours", vendor: "PXEClient:Arch:00007:UNDI:003010", arch: []byte{0, 7}, user: OurUserClass, feats: ipxeFeatures, maxSize: 1472, want: ClassOurs},
	{name: "sim-ipxe", vendor: "PXEClient:Arch:00007:UNDI:003010", arch: []byte{0, 7}, users: []string{"iPXE", SimUserClass}, feats: ipxeFeatures, maxSize: 1472, want: ClassIPXE},
	{name: "riscv-pxe", vendor: "PXEClient:Arch:00027:UNDI:003000", arch: []byte{0, 27}, maxSize: 1472, want: ClassPXE},
	{name: "ia32-http", vendor: "HTTPClient:Arch:00015:UNDI:003000", arch: []byte{0, 15}, maxSize: 1472, want: ClassHTTP},
	{name: "idrac", vendor: "iDRAC", want: ClassPlain},
	{name: "bluefield-bmc", vendor: "NVIDIA/BF/BMC", want: ClassPlain},
	{name: "udhcpc", vendor: "udhcp 1.35.0", maxSize: 576, want: ClassPlain},
	{name: "nothing", want: ClassPlain},
}

var (
	testMAC   = inventory.MAC("52:54:00:12:34:56")
	testUUID  = []byte{0, 0x33, 0x22, 0x11, 0x00, 0x55, 0x44, 0x77, 0x66, 0x88, 0x99, 0xaa, 0xbb, 0xcc, 0xdd, 0xee, 0xff}
	testNow   = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	testKey   = inventory.NewSecret("a key of the site for tests")
	testScope = Scope{Subnet: netip.MustParsePrefix("10.9.0.0/24"), First: netip.MustParseAddr("10.9.0.100"), Last: netip.MustParseAddr("10.9.0.199"),
		Router: netip.MustParseAddr("10.9.0.1"), DNS: []netip.Addr{netip.MustParseAddr("10.9.0.2")}, NTP: []netip.Addr{netip.MustParseAddr("10.9.0.3")},
		Domain: "boot.example", MTU: 1500, Routes: []Route{{To: netip.MustParsePrefix("10.0.0.0/8"), Via: netip.MustParseAddr("10.9.0.4")}}, Lease: time.Hour}
	testEnds = Endpoints{Server: netip.MustParseAddr("10.9.0.1"), HTTP: "10.9.0.1:8080", API: "https://10.9.0.1:8443",
		Pin: inventory.DigestOf([]byte("ca"))}
)

func (c client) packet(kind dhcpv4.MessageType, mods ...dhcpv4.Modifier) *dhcpv4.DHCPv4 {
	p, err := dhcpv4.New(dhcpv4.WithMessageType(kind), dhcpv4.WithHwAddr(testMAC.Hardware()), dhcpv4.WithTransactionID(dhcpv4.TransactionID{1, 2, 3, 4}),
		dhcpv4.WithBroadcast(c.bcast))
	if err != nil {
		panic(err)
	}
	set := func(code uint8, v []byte) {
		if len(v) > 0 {
			p.Options[code] = v
		}
	}
	set(60, []byte(c.vendor))
	set(93, c.arch)
	set(77, []byte(c.user))
	set(175, c.feats)
	if len(c.users) > 0 {
		p.UpdateOption(dhcpv4.OptRFC3004UserClass(c.users))
	}
	if c.maxSize > 0 {
		p.UpdateOption(dhcpv4.OptMaxMessageSize(c.maxSize))
	}
	if len(c.arch) > 0 {
		set(97, testUUID)
	}
	for _, m := range mods {
		m(p)
	}
	return p
}

// testNode is a node whose operation wants image burnin until 15 minutes from testNow.
func testNode() *inventory.Node {
	return &inventory.Node{ID: "01NODE", Address: "A12/C07", Slot: "C07", MACs: []inventory.MAC{testMAC}, BMC: inventory.Endpoint{MAC: "02:00:00:00:00:07"},
		Operation: &inventory.Operation{Run: "01RUN", Boot: &inventory.Boot{Image: "burnin", Run: "01RUN", Attempt: 2, Until: testNow.Add(15 * time.Minute)}}}
}
