package main

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"
)

// writeTimeout is for a request from its header to its answer.
const writeTimeout = time.Minute

// serve answers requests on listener with handler until the returned function is called, which takes no new ones,
// lets those in progress finish until its context ends, cuts off what is left, and returns.
func serve(listener net.Listener, handler http.Handler, log *slog.Logger) (stop func(context.Context)) {
	server := &http.Server{
		Handler: handler,

		DisableGeneralOptionsHandler: true, // OPTIONS * is answered as all else is

		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       30 * time.Second,
		WriteTimeout:      writeTimeout,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    16 << 10,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelWarn),
	}
	var serving sync.WaitGroup
	serving.Go(func() {
		if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			log.Error("serving ended", slog.String("error", err.Error()))
		}
	})
	return func(ctx context.Context) {
		if server.Shutdown(ctx) != nil {
			server.Close()
		}
		serving.Wait()
	}
}
