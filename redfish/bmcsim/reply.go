package bmcsim

import (
	"encoding/json"
	"net/http"
	"strconv"
)

// reply is one answer, complete before a byte of it is written.
type reply struct {
	status int
	header http.Header
	raw    []byte
	after  func() // once it is written: the BMC resets itself
}

func (r reply) with(key, value string) reply {
	if r.header == nil {
		r.header = http.Header{}
	}
	r.header.Set(key, value)
	return r
}

func empty(status int) reply { return reply{status: status} }

func jsonReply(status int, body any) reply {
	raw, err := json.Marshal(body)
	if err != nil {
		return failure(http.StatusInternalServerError, "Base.1.18.InternalError", err.Error())
	}
	return reply{status: status, raw: raw}
}

// failure is an error body of DSP0266 (error responses): an error object with ExtendedInfo.
func failure(status int, id, message string, args ...string) reply {
	return jsonReply(status, object{"error": object{
		"code": "Base.1.18.GeneralError", "message": "A general error has occurred. See ExtendedInfo for more information.",
		"@Message.ExtendedInfo": []object{info(id, message, args...)},
	}})
}

func info(id, message string, args ...string) object {
	if args == nil {
		args = []string{}
	}
	return object{"@odata.type": "#Message.v1_1_2.Message", "MessageId": id, "Message": message, "MessageArgs": args,
		"MessageSeverity": "Critical", "Resolution": "See the message and correct the request."}
}

func unauthorized() reply {
	return failure(http.StatusUnauthorized, "Base.1.18.NoValidSession", "There is no valid session established with the implementation.").
		with("WWW-Authenticate", `Basic realm="simulated BMC"`)
}

func notFound(path string) reply {
	return failure(http.StatusNotFound, "Base.1.18.ResourceMissingAtURI", "The resource at the URI "+path+" was not found.", path)
}

func badValue(key, value string) reply {
	return failure(http.StatusBadRequest, "Base.1.18.PropertyValueNotInList", "The value "+value+" for the property "+key+" is not in the list of acceptable values.", value, key)
}

func unknownProperty(key string) reply {
	return failure(http.StatusBadRequest, "Base.1.18.PropertyUnknown", "The property "+key+" is not in the list of valid properties for the resource.", key)
}

func readOnly(key string) reply {
	return failure(http.StatusBadRequest, "Base.1.18.PropertyNotWritable", "The property "+key+" is a read only property and cannot be assigned a value.", key)
}

func busy(status, retryAfter int, id, message string) reply {
	r := failure(status, id, message)
	if retryAfter >= 0 {
		r = r.with("Retry-After", strconv.Itoa(retryAfter))
	}
	return r
}
