// render-chart CHART RELEASE NAMESPACE VALUES…: what helm's own packages make of the chart with each file of values,
// as a JSON array. About half of what helm itself consists of is built for it.
package main

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"os"

	"helm.sh/helm/v4/pkg/chart/common"
	"helm.sh/helm/v4/pkg/chart/common/util"
	chart "helm.sh/helm/v4/pkg/chart/v2"
	"helm.sh/helm/v4/pkg/chart/v2/lint"
	"helm.sh/helm/v4/pkg/chart/v2/lint/support"
	"helm.sh/helm/v4/pkg/chart/v2/loader"
	"helm.sh/helm/v4/pkg/engine"
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
	slog.SetLogLoggerLevel(slog.LevelWarn)
	directory, files := os.Args[1], os.Args[4:]
	options := common.ReleaseOptions{Name: os.Args[2], Namespace: os.Args[3], Revision: 1, IsInstall: true}
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

func render(loaded *chart.Chart, directory string, options common.ReleaseOptions, made *rendering) error {
	file, err := os.Open(made.Values)
	if err != nil {
		return err
	}
	defer file.Close()
	values, err := loader.LoadValues(file)
	if err != nil {
		return err
	}
	all, err := util.ToRenderValues(loaded, values, options, common.DefaultCapabilities)
	if err != nil {
		return err
	}
	if made.Templates, err = engine.Render(loaded, all); err != nil {
		return err
	}
	for _, message := range lint.RunAll(directory, values, options.Namespace).Messages {
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
