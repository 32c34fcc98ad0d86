package main

import (
	"io"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"zonkeymwi/config"
)

// logFlush is how long a line may wait in the buffer: a tail keeps up, and a
// burst costs few writes.
const logFlush = 100 * time.Millisecond

// newLog makes the log, and what sets its level. flush is to be called before
// the program ends.
func newLog(c config.Log, w io.Writer) (log *zap.Logger, level zap.AtomicLevel, flush func(), err error) {
	if level, err = zap.ParseAtomicLevel(c.Level); err != nil {
		return nil, level, nil, err
	}
	e := zap.NewProductionEncoderConfig()
	e.EncodeTime = zapcore.RFC3339NanoTimeEncoder
	encoder := zapcore.NewJSONEncoder(e)
	if c.Format == config.LogConsole {
		e.EncodeLevel = zapcore.CapitalLevelEncoder
		e.EncodeDuration = zapcore.StringDurationEncoder
		encoder = zapcore.NewConsoleEncoder(e)
	}
	buffer := &zapcore.BufferedWriteSyncer{WS: zapcore.AddSync(w), FlushInterval: logFlush}
	return zap.New(zapcore.NewCore(encoder, buffer, level)), level, func() { _ = buffer.Stop() }, nil
}
