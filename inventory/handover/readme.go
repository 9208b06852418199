package handover

// readme is the README of every package: how to verify it, also without Rackwright.
const readme = `Handover package of one rack, written by Rackwright.

With Rackwright (no network, no server):

    rackwright verify PACKAGE.zip --key site-key.pem

With sha256sum and openssl only, in the unpacked folder:

 1. The fingerprint of the key must equal the one printed on the paper certificate:

        openssl pkey -pubin -in key.pem -outform DER | tail -c 32 | sha256sum

 2. The signature over the list of entries:

        openssl pkeyutl -verify -pubin -inkey key.pem -rawin -in manifest.json -sigfile manifest.sig

 3. SHA256SUMS is an entry of manifest.json; compare its digest there with

        sha256sum SHA256SUMS

 4. Every entry:

        sha256sum -c SHA256SUMS

These four steps prove that nothing was changed since the key's owner signed.
rackwright verify also recomputes the chain of events, derives every gate again
from the evidence, and checks waivers, holds, members and both approvals.

certificate.json counts; certificate.html is its rendering for print.
SIMULATED on the certificate means: a simulator was part of it, no value for hardware.
A key that is in the package only proves nothing: compare the fingerprint.
`
