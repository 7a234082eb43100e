// render-chart CHART RELEASE NAMESPACE VALUES…: what helm's own packages make of the chart with each file of values,
// as a JSON array. Helm 3's: they render as helm 4's do, and half as much is built for them.
package main

import (
	"encoding/json"
	"fmt"
	"io"
	"log"
	"os"

	"helm.sh/helm/v3/pkg/chart"
	"helm.sh/helm/v3/pkg/chart/loader"
	"helm.sh/helm/v3/pkg/chartutil"
	"helm.sh/helm/v3/pkg/engine"
	"helm.sh/helm/v3/pkg/lint"
	"helm.sh/helm/v3/pkg/lint/support"
)

type rendering struct {
	Values    string            `json:"values"`
	Error     string            `json:"error"`
	Lint      []string          `json:"lint"`
	Templates map[string]string `json:"templates"`
}

func main() {
	if len(os.Args) < 5 {
		fail(fmt.Errorf("usage: render-chart CHART RELEASE NAMESPACE VALUES…"))
	}
	log.SetOutput(io.Discard) // that alerts.yml is a link
	directory, files := os.Args[1], os.Args[4:]
	options := chartutil.ReleaseOptions{Name: os.Args[2], Namespace: os.Args[3], Revision: 1, IsInstall: true}
	loaded, err := loader.Load(directory)
	if err != nil {
		fail(err)
	}
	made := []rendering{}
	for _, file := range files {
		one := rendering{Values: file, Lint: []string{}}
		if err := render(loaded, directory, options, &one); err != nil {
			one.Error = err.Error()
		}
		made = append(made, one)
	}
	if err := json.NewEncoder(os.Stdout).Encode(made); err != nil {
		fail(err)
	}
}

func render(loaded *chart.Chart, directory string, options chartutil.ReleaseOptions, made *rendering) error {
	values, err := chartutil.ReadValuesFile(made.Values)
	if err != nil {
		return err
	}
	all, err := chartutil.ToRenderValues(loaded, values, options, chartutil.DefaultCapabilities)
	if err != nil {
		return err
	}
	if made.Templates, err = engine.Render(loaded, all); err != nil {
		return err
	}
	for _, message := range lint.AllWithKubeVersion(directory, values, options.Namespace, nil).Messages {
		if message.Severity > support.InfoSev {
			made.Lint = append(made.Lint, message.Error())
		}
	}
	return nil
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, "render-chart:", err)
	os.Exit(1)
}
