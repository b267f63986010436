// Command release verifies releases of tool calls as an executor in Go would, with a stock library.
//
// It reads cases from standard input, one JSON object after another, and prints for each one line:
// "ok", or the problem. It keeps no store: what was used before is another's to know.
package main

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
)

const releaseType = "chenu-release+jwt"

// verification is a token, and what the executor knows itself.
type verification struct {
	Keys      jose.JSONWebKeySet `json:"jwks"`
	Token     string             `json:"token"`
	Arguments []byte             `json:"arguments"` // base64
	Tool      string             `json:"tool"`
	Audience  string             `json:"audience"`
	Issuer    string             `json:"issuer"`
	NowS      int64              `json:"now_s"`
}

// release is what a token says besides RFC 7519's own claims.
type release struct {
	Tool            string `json:"tool"`
	ArgumentsSHA256 string `json:"arguments_sha256"`
}

func main() {
	cases := json.NewDecoder(os.Stdin)
	for {
		var next verification
		if err := cases.Decode(&next); errors.Is(err, io.EOF) {
			return
		} else if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		if err := next.verify(); err != nil {
			fmt.Println(err)
		} else {
			fmt.Println("ok")
		}
	}
}

func (v *verification) verify() error {
	token, err := jwt.ParseSigned(v.Token, []jose.SignatureAlgorithm{jose.EdDSA})
	if err != nil {
		return errors.New("malformed")
	}
	header := token.Headers[0]
	if header.ExtraHeaders[jose.HeaderType] != releaseType {
		return errors.New("wrong_type")
	}
	keys := v.Keys.Key(header.KeyID)
	if len(keys) != 1 || !keys[0].IsPublic() {
		return errors.New("unknown_key")
	}
	var standard jwt.Claims
	var own release
	if err := token.Claims(keys[0], &standard, &own); err != nil {
		return errors.New("bad_signature")
	}
	return v.check(standard, own)
}

func (v *verification) check(standard jwt.Claims, own release) error {
	// The library lets what has no expiry pass, and takes an audience among others.
	if standard.Expiry == nil || standard.ID == "" {
		return errors.New("missing_claim")
	}
	if len(standard.Audience) != 1 {
		return errors.New("wrong_audience")
	}
	expected := jwt.Expected{
		Issuer:      v.Issuer,
		AnyAudience: jwt.Audience{v.Audience},
		Time:        time.Unix(v.NowS, 0),
	}
	if problem := problemOf(standard.ValidateWithLeeway(expected, 0)); problem != nil {
		return problem
	}
	// RFC 7519 §4.1.4: not on its last second either, which the library still takes.
	if v.NowS >= standard.Expiry.Time().Unix() {
		return errors.New("expired")
	}
	if own.Tool != v.Tool {
		return errors.New("wrong_tool")
	}
	digest := sha256.Sum256(v.Arguments)
	actual := []byte(hex.EncodeToString(digest[:]))
	if subtle.ConstantTimeCompare(actual, []byte(own.ArgumentsSHA256)) != 1 {
		return errors.New("wrong_arguments")
	}
	return nil
}

func problemOf(err error) error {
	problems := map[error]string{
		jwt.ErrInvalidIssuer:     "wrong_issuer",
		jwt.ErrInvalidAudience:   "wrong_audience",
		jwt.ErrExpired:           "expired",
		jwt.ErrIssuedInTheFuture: "not_yet_valid",
	}
	if problem, known := problems[err]; known {
		return errors.New(problem)
	}
	return err
}
