package burnin

// KernelClass is the class of a kernel log line (burnin.md §12).
type KernelClass string

// Kernel line classes. A line without a class is not sent.
const (
	KernelHardware    KernelClass = "hw_error"        // [Hardware Error], machine checks, EDAC UE
	KernelCorrected   KernelClass = "corrected_error" // corrected machine checks, EDAC CE
	KernelAER         KernelClass = "aer_uncorrected" // PCIe uncorrected
	KernelAERFixed    KernelClass = "aer_corrected"   // PCIe corrected
	KernelIO          KernelClass = "io_error"        // block layer and NVMe errors
	KernelOOM         KernelClass = "oom"             // a tool was killed for memory: the test did not run
	KernelLockup      KernelClass = "lockup"          // soft, hard lockups, stalls, hung tasks
	KernelOops        KernelClass = "oops"            // BUG, Oops, general protection
	KernelThermal     KernelClass = "thermal"         // throttling reported by the kernel
	KernelXID         KernelClass = "xid"             // NVIDIA driver
	KernelNeuron      KernelClass = "neuron_hw_error" // Neuron driver
	KernelGap         KernelClass = "gap"             // lines were lost: nothing can be said about them
	KernelUnreachable KernelClass = "unreachable"     // the log could not be read any more
)

// KernelClasses are the classes a plan may fail on. A gap is always unjudged.
func KernelClasses() []KernelClass {
	return []KernelClass{KernelHardware, KernelCorrected, KernelAER, KernelAERFixed, KernelIO, KernelOOM,
		KernelLockup, KernelOops, KernelThermal, KernelXID, KernelNeuron}
}
