package bmcsim

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
)

// parameters are what an update request says besides the image.
type parameters struct {
	Targets   []string
	ApplyTime string
	Force     bool
	StageOnly bool // Oem.Nvidia.UpdateOption: as far as the simulator goes, the same as a staged image
}

var errCut = errors.New("upload cut")

// upload is true for a request that carries an image.
func (c *call) upload() bool {
	c.b.mu.Lock()
	defer c.b.mu.Unlock()
	return c.r.Method == http.MethodPost && c.b.pushes[c.path]
}

// stream is the request's body on its way: it counts, strikes at half and cuts. Its
// error stays: bufio reads on after an error that came with data.
type stream struct {
	c      *call
	n      int64
	halved bool
	err    error
}

func (s *stream) Read(p []byte) (int, error) {
	if s.err != nil {
		return 0, s.err
	}
	n, err := s.read(p)
	s.err = err
	return n, err
}

func (s *stream) read(p []byte) (int, error) {
	if f := s.c.fault; f != nil && f.CutAfter > 0 {
		if left := f.CutAfter - s.n; left <= 0 {
			return 0, errCut
		} else if int64(len(p)) > left {
			p = p[:left]
		}
	}
	half := s.c.r.ContentLength / 2
	if !s.halved && half > 0 && s.n < half && int64(len(p)) > half-s.n {
		p = p[:half-s.n]
	}
	n, err := s.c.r.Body.Read(p)
	s.n += int64(n)
	if !s.halved && half > 0 && s.n >= half {
		s.halved = true
		if s.c.b.fleet.strike(s.c.number, "half") {
			return n, errCut
		}
	}
	return n, err
}

// receive guards one upload at a time and turns its end into counters.
func (c *call) receive(read func(io.Reader) (image, parameters, reply, error)) reply {
	b := c.b
	if out, ok := b.openUpload(c.r.ContentLength); !ok {
		return out
	}
	defer b.closeUpload()
	img, params, out, err := read(&stream{c: c})
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case errors.Is(err, errCorrupt):
		b.count.RefusedPayloads++
		return failure(http.StatusBadRequest, "Update.1.2.VerificationFailed", "Verification of the image failed: "+err.Error())
	case err != nil:
		b.count.CutUploads++
		return reply{}
	case out.status != 0:
		return out
	}
	return b.accept(img, params)
}

func (b *BMC) openUpload(length int64) (reply, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.update.job != nil || b.update.uploading {
		b.count.RefusedBusy++
		return busy(http.StatusServiceUnavailable, 30, "Update.1.2.UpdateInProgress", "An update is in progress."), false
	}
	if limit := b.spec.Update.MaxImage; limit > 0 && length > limit {
		return failure(http.StatusRequestEntityTooLarge, "Base.1.18.PayloadTooLarge", fmt.Sprintf("The image is larger than MaxImageSizeBytes, %d.", limit)), false
	}
	b.update.uploading = true
	return reply{}, true
}

func (b *BMC) closeUpload() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.update.uploading = false
}

// parameters checks keys against the profile: upstream bmcweb refuses unknown ones.
func (b *BMC) parameters(in object, allowed []string) (parameters, reply) {
	p := parameters{ApplyTime: "Immediate"}
	for _, key := range sorted(in) {
		if !slices.Contains(allowed, key) {
			return p, unknownProperty(key)
		}
		switch v := in[key].(type) {
		case []any:
			for _, t := range v {
				s, ok := t.(string)
				if !ok || key != "Targets" {
					return p, badValue(key, fmt.Sprint(v))
				}
				p.Targets = append(p.Targets, s)
			}
		case string:
			if key == "@Redfish.OperationApplyTime" {
				if !slices.Contains(b.spec.Update.ApplyTimes, v) {
					return p, badValue(key, v)
				}
				p.ApplyTime = v
			}
		case bool:
			p.Force = v
		case object:
			p.StageOnly = str(v, "Nvidia", "UpdateOption") == "StageOnly"
		default:
			return p, badValue(key, fmt.Sprint(v))
		}
	}
	return p, reply{}
}
