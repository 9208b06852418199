package main

import (
	"bufio"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"

	"github.com/rackwright/rackwright/cmd/rackwright/internal/api"
	"github.com/rackwright/rackwright/cmd/rackwright/internal/client"
)

// machineVerbs are the verbs about firmware, images, burn-in and power.
func (a *app) machineVerbs() []*cobra.Command {
	return []*cobra.Command{a.planCmd(), a.approveCmd(), a.applyCmd(), a.powerCmd(), a.triageCmd(), a.returnCmd(), a.repairCmd(), a.locateCmd(), a.bmcCmd()}
}

// confirm asks a person before something that cannot be taken back. A script
// says --yes; a pipe without it is refused, because nobody reads the question.
func (a *app) confirm(yes bool, question string) error {
	if yes {
		return nil
	}
	if !isTTY(a.in) {
		return fmt.Errorf("%w: %s Nobody is there to answer: say --yes", errUsage, question)
	}
	fmt.Fprintf(a.err, "%s Type yes: ", question)
	line, err := bufio.NewReader(a.in).ReadString('\n')
	if err != nil || strings.TrimSpace(line) != "yes" {
		return fmt.Errorf("%w: not confirmed, nothing was asked for", errUsage)
	}
	return nil
}

// sendFile streams a file: a bar on a terminal, one line a tenth in a pipe.
func (a *app) sendFile(c *cobra.Command, cl *client.Client, file string) (api.BlobAnswer, error) {
	if !isTTY(a.err) {
		tenth := int64(0)
		return cl.PutBlob(c.Context(), file, func(sent, total int64) {
			if now := sent * 10 / max(total, 1); now > tenth {
				tenth = now
				fmt.Fprintf(a.err, "%s %d%% of %d bytes\n", file, now*10, total)
			}
		})
	}
	bars := mpb.New(mpb.WithOutput(a.err), mpb.WithWidth(40))
	bar := bars.AddBar(0, mpb.PrependDecorators(decor.Name(file+" ")), mpb.AppendDecorators(decor.Counters(decor.SizeB1024(0), " % .1f / % .1f")), mpb.BarRemoveOnComplete())
	out, err := cl.PutBlob(c.Context(), file, func(sent, total int64) {
		bar.SetTotal(total, false)
		bar.SetCurrent(sent)
	})
	bar.SetTotal(-1, true) // ends the bar whatever came of it; the answer is printed below
	bars.Wait()
	return out, err
}

// short is a list as one cell.
func short(list []string, n int) string {
	if len(list) <= n {
		return orDash(strings.Join(list, ", "))
	}
	return fmt.Sprintf("%s and %d more", strings.Join(list[:n], ", "), len(list)-n)
}
