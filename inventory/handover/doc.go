// Package handover turns gates into a certificate and a package that anybody
// can verify offline: canonical JSON (RFC 8785), ed25519, a hash chain and
// SHA-256 of every entry.
//
// It reads records only (a [Case] is plain data and knows no store), re-derives
// every gate from evidence through inventory/lifecycle, and never issues on one
// person's word: deliverer and acceptor are two persons who approve the same
// digest. Verification never takes the certificate's word either: the gates are
// derived again from the evidence inside the package.
//
// What a signature cannot prove: whoever holds the signing key can write a
// consistent record that never happened. The chain head printed on paper, and
// the site chain that records it, are the anchors against that.
//
// Entry points: [CheckGates], [Draft], [Certificate.Digest], [Issue],
// [Certificate.Verify], [WritePackage], [VerifyPackage]; [Attacks] forges
// packages, so that a demonstration can show verification fail.
package handover
