// Package images keeps boot images and firmware packages as blobs addressed by
// their SHA-256, names them in a catalogue, and serves them over HTTP with
// ranges. It writes initramfs archives deterministically.
//
// It never knows who boots what: the boot decision is pxe's, the burn-in
// verdict images/burnin's. A blob is never served under a digest it does not
// have; what a remote store returns is checked before it counts.
//
// Entry points: [Open], [Store], [Catalogue], [WriteInitramfs].
package images
