package bmcsim

import (
	"encoding/json"
	"errors"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
)

// pushMultipart answers MultipartHttpPushUri (DSP0266, "Multipart HTTP push update"):
// UpdateParameters first, as application/json, then UpdateFile.
func (c *call) pushMultipart() reply {
	kind, attrs, err := mime.ParseMediaType(c.r.Header.Get("Content-Type"))
	if err != nil || kind != "multipart/form-data" || attrs["boundary"] == "" {
		return failure(http.StatusUnsupportedMediaType, "Base.1.18.UnsupportedMediaType", "The body must be multipart/form-data with a boundary.")
	}
	return c.receive(func(body io.Reader) (image, parameters, reply, error) {
		parts := multipart.NewReader(body, attrs["boundary"])
		params, out, err := c.firstPart(parts)
		if err != nil || out.status != 0 {
			return image{}, params, out, err
		}
		file, err := parts.NextPart()
		if errors.Is(err, io.EOF) || err == nil && file.FormName() != "UpdateFile" {
			return image{}, params, missingPart("UpdateFile as the second part"), nil
		}
		if err != nil {
			return image{}, params, reply{}, err
		}
		img, err := readImage(file)
		if err != nil {
			return image{}, params, reply{}, err
		}
		for { // OemXXX parts may follow; the closing boundary must come
			if _, err := parts.NextPart(); errors.Is(err, io.EOF) {
				return img, params, reply{}, nil
			} else if err != nil {
				return image{}, params, reply{}, err
			}
		}
	})
}

func missingPart(what string) reply {
	return failure(http.StatusBadRequest, "Base.1.18.ActionParameterMissing", "The multipart body must hold "+what+".", "UpdateService", what)
}

func (c *call) firstPart(parts *multipart.Reader) (parameters, reply, error) {
	part, err := parts.NextPart()
	if errors.Is(err, io.EOF) || err == nil && part.FormName() != "UpdateParameters" {
		return parameters{}, missingPart("UpdateParameters as the first part"), nil
	}
	if err != nil {
		return parameters{}, reply{}, err
	}
	if kind, _, err := mime.ParseMediaType(part.Header.Get("Content-Type")); err != nil || kind != "application/json" {
		return parameters{}, failure(http.StatusBadRequest, "Base.1.18.UnsupportedMediaType", "The part UpdateParameters must have Content-Type application/json."), nil
	}
	raw, err := io.ReadAll(io.LimitReader(part, maxBody))
	if err != nil {
		return parameters{}, reply{}, err
	}
	var in object
	if err := json.Unmarshal(raw, &in); err != nil {
		return parameters{}, failure(http.StatusBadRequest, "Base.1.18.MalformedJSON", "UpdateParameters is not a JSON object: "+err.Error()), nil
	}
	params, out := c.b.parameters(in, c.b.spec.Update.Parameters)
	return params, out, nil
}
