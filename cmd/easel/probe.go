package main

import (
	"github.com/spf13/cobra"

	"github.com/easelgrid/easel/gpu"
)

func probeCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "gpu-probe",
		Short:   "Print the GPUs of this machine as JSON",
		Long:    "The agent runs this as a short-lived child, so that a driver that crashes or hangs takes nothing with it.",
		Example: "  easel gpu-probe",
		Hidden:  true,
		Args:    noArguments,
		RunE:    func(c *cobra.Command, _ []string) error { return gpu.WriteProbe(c.OutOrStdout()) },
	}
}
