// Interop is a libp2p peer on go-libp2p for dchat's interoperation tests; see ../README.md.
package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/libp2p/go-libp2p"
	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"
	"github.com/libp2p/go-libp2p/p2p/muxer/yamux"
	noise "github.com/libp2p/go-libp2p/p2p/security/noise"
	"github.com/libp2p/go-libp2p/p2p/transport/tcp"
	"github.com/multiformats/go-multiaddr"
)

const echoProtocol = protocol.ID("/dchat/interop/echo/1")
const timeout = 30 * time.Second

var keyTypes = map[string]int{
	"ed25519": crypto.Ed25519, "rsa": crypto.RSA, "secp256k1": crypto.Secp256k1, "ecdsa": crypto.ECDSA,
}

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "interop:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) == 0 {
		return errors.New("usage: interop listen|dial|pipe; see README.md")
	}
	flags := flag.NewFlagSet(args[0], flag.ContinueOnError)
	keyType := flags.String("key-type", "ed25519", "ed25519, rsa, secp256k1 or ecdsa")
	muxerBy := flags.String("muxer-by", "noise", "noise (early) or multistream")
	positional := []string{}
	rest := args[1:]
	for len(rest) > 0 && rest[0][0] != '-' {
		positional, rest = append(positional, rest[0]), rest[1:]
	}
	if err := flags.Parse(rest); err != nil {
		return err
	}
	h, err := newHost(*keyType, *muxerBy, args[0] == "listen")
	if err != nil {
		return err
	}
	defer h.Close()
	switch {
	case args[0] == "listen":
		return listen(h)
	case args[0] == "dial" && len(positional) == 1:
		return dial(h, positional[0])
	case args[0] == "pipe" && len(positional) == 2:
		return pipe(h, positional[0], protocol.ID(positional[1]))
	}
	return fmt.Errorf("unknown mode or wrong arguments: %v; see README.md", args)
}

// newHost makes a host on TCP, Noise and yamux alone. With muxerBy "multistream" the muxer is chosen by
// multistream-select over Noise, as implementations without early muxer negotiation do.
func newHost(keyType, muxerBy string, listening bool) (host.Host, error) {
	kind, known := keyTypes[keyType]
	if !known {
		return nil, fmt.Errorf("unknown key type %q", keyType)
	}
	private, _, err := crypto.GenerateKeyPairWithReader(kind, 2048, rand.Reader)
	if err != nil {
		return nil, err
	}
	options := []libp2p.Option{
		libp2p.Identity(private),
		libp2p.Transport(tcp.NewTCPTransport),
		libp2p.Muxer(yamux.ID, yamux.DefaultTransport),
		libp2p.ResourceManager(&network.NullResourceManager{}),
		libp2p.DisableRelay(),
		libp2p.UserAgent("dchat-interop-go"),
	}
	if muxerBy == "multistream" {
		options = append(options, libp2p.Security(noise.ID, withoutEarlyMuxer))
	} else {
		options = append(options, libp2p.Security(noise.ID, noise.New))
	}
	if listening {
		options = append(options, libp2p.ListenAddrStrings("/ip4/127.0.0.1/tcp/0"))
	} else {
		options = append(options, libp2p.NoListenAddrs)
	}
	return libp2p.New(options...)
}

// withoutEarlyMuxer is Noise with no muxers in its extensions, as implementations without that negotiation send it.
func withoutEarlyMuxer(id protocol.ID, key crypto.PrivKey) (*noise.Transport, error) {
	return noise.New(id, key, nil)
}

func listen(h host.Host) error {
	h.SetStreamHandler(echoProtocol, func(s network.Stream) {
		defer s.Close()
		if _, err := io.Copy(s, s); err != nil {
			_ = s.Reset()
		}
	})
	for _, address := range h.Addrs() {
		report(map[string]any{"addr": address.String() + "/p2p/" + h.ID().String()})
	}
	_, err := io.Copy(io.Discard, os.Stdin)
	return err
}

func connect(ctx context.Context, h host.Host, address string) (peer.ID, error) {
	parsed, err := multiaddr.NewMultiaddr(address)
	if err != nil {
		return "", err
	}
	info, err := peer.AddrInfoFromP2pAddr(parsed)
	if err != nil {
		return "", err
	}
	return info.ID, h.Connect(ctx, *info)
}

func pipe(h host.Host, address string, id protocol.ID) error {
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	remote, err := connect(ctx, h, address)
	if err != nil {
		return err
	}
	stream, err := h.NewStream(ctx, remote, id)
	if err != nil {
		return err
	}
	go func() {
		_, _ = io.Copy(stream, os.Stdin)
		_ = stream.CloseWrite()
	}()
	_, err = io.Copy(os.Stdout, stream)
	return err
}

func report(value map[string]any) {
	line, err := json.Marshal(value)
	if err != nil {
		panic(err)
	}
	fmt.Println(string(line))
}
