// Package imagebuild makes the burn-in image: a Debian kernel and an initramfs
// with the test tools, the libraries they need and rackagent as first process.
//
// It reads .deb files itself (ar, tar, xz, zstd, gzip), takes only the files
// that are needed, and writes the same bytes for the same packages and agent,
// whoever builds, where and when. It never installs a package and never uses a
// file of the machine it runs on. A program whose library no package brings is
// an error, not a surprise in the booted node.
//
// Entry points: [Build], [Fetcher], [Lock], [Check].
package imagebuild
