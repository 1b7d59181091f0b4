// Peer is a go-libp2p host for dchat's benchmarks; see ../README.md.
package main

import (
	"bufio"
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"runtime"
	"runtime/debug"
	"sync"

	"github.com/libp2p/go-libp2p"
	"github.com/libp2p/go-libp2p/core/connmgr"
	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/p2p/muxer/yamux"
	noise "github.com/libp2p/go-libp2p/p2p/security/noise"
	"github.com/libp2p/go-libp2p/p2p/transport/tcp"
)

const headBytes = 5
const bufferBytes = 64 << 10

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "peer:", err)
		os.Exit(1)
	}
}

func run() error {
	h, err := newHost()
	if err != nil {
		return err
	}
	defer h.Close()
	h.SetStreamHandler("/dchat/bench/hold/1", func(s network.Stream) {
		_, _ = io.Copy(s, s)
		_ = s.Close()
	})
	receivers := &registry{streams: map[uint32]network.Stream{}}
	h.SetStreamHandler("/dchat/bench/forward/1", receivers.handle)
	fmt.Printf("{\"addr\":%q}\n", h.Addrs()[0].String()+"/p2p/"+h.ID().String())
	return obey()
}

func newHost() (host.Host, error) {
	private, _, err := crypto.GenerateEd25519Key(rand.Reader)
	if err != nil {
		return nil, err
	}
	return libp2p.New(
		libp2p.Identity(private),
		libp2p.ListenAddrStrings("/ip4/127.0.0.1/tcp/0"),
		libp2p.Transport(tcp.NewTCPTransport),
		libp2p.Security(noise.ID, noise.New),
		libp2p.Muxer(yamux.ID, yamux.DefaultTransport),
		libp2p.ResourceManager(&network.NullResourceManager{}),
		// The default one keeps 160 connections of those that are older than a minute.
		libp2p.ConnectionManager(connmgr.NullConnMgr{}),
		libp2p.DisableRelay(),
	)
}

// obey answers the lines on stdin until it closes.
func obey() error {
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		if lines.Text() == "gc" {
			runtime.GC()
			debug.FreeOSMemory()
			fmt.Println(`{"gc":true}`)
		}
	}
	return lines.Err()
}

type registry struct {
	mutex   sync.Mutex
	streams map[uint32]network.Stream
}

func (r *registry) handle(s network.Stream) {
	head := make([]byte, headBytes)
	if _, err := io.ReadFull(s, head); err != nil {
		_ = s.Reset()
		return
	}
	pair := binary.BigEndian.Uint32(head[1:])
	if head[0] == 'R' {
		r.mutex.Lock()
		r.streams[pair] = s
		r.mutex.Unlock()
		_, _ = s.Write([]byte("1"))
		return
	}
	r.mutex.Lock()
	receiver := r.streams[pair]
	r.mutex.Unlock()
	if receiver == nil {
		_ = s.Reset()
		return
	}
	if _, err := io.CopyBuffer(writerOnly{receiver}, readerOnly{s}, make([]byte, bufferBytes)); err != nil {
		_ = s.Reset()
	}
}

// writerOnly and readerOnly hide other methods, so that CopyBuffer uses the buffer.
type writerOnly struct{ io.Writer }
type readerOnly struct{ io.Reader }
