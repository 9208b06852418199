module github.com/rackwright/rackwright/redfish/testdata/mock

go 1.26.3

require (
	github.com/go-logr/logr v1.4.4
	github.com/ironcore-dev/metal-operator v0.7.0
)
