// Command smoke uses the generated stubs as a client would, against the server at CHENU_ADDRESS.
package main

import (
	"context"
	"fmt"
	"os"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	errorsv1 "chenu.api/errors/v1"
	governancev1 "chenu.api/governance/v1"
	pipelinev1 "chenu.api/pipeline/v1"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run() error {
	budget := &governancev1.Budget{
		Scope:   governancev1.BudgetScope_BUDGET_SCOPE_IDENTITY,
		Subject: "acme",
	}
	if err := same("identity acme", fmt.Sprintf("identity %s", budget.GetSubject())); err != nil {
		return err
	}
	if err := same(governancev1.BudgetScope_BUDGET_SCOPE_IDENTITY, budget.GetScope()); err != nil {
		return err
	}
	plain := grpc.WithTransportCredentials(insecure.NewCredentials())
	channel, err := grpc.NewClient(os.Getenv("CHENU_ADDRESS"), plain)
	if err != nil {
		return err
	}
	defer channel.Close()
	token := "Bearer " + os.Getenv("CHENU_TOKEN")
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	return speak(metadata.AppendToOutgoingContext(ctx, "authorization", token), channel)
}

func speak(ctx context.Context, channel *grpc.ClientConn) error {
	identity := governancev1.NewIdentityServiceClient(channel)
	who, err := identity.WhoAmI(ctx, &governancev1.WhoAmIRequest{})
	if err != nil {
		return err
	}
	if err := same("acme", who.GetIdentityId()); err != nil {
		return err
	}
	pipeline := pipelinev1.NewPipelineServiceClient(channel)
	answered, err := pipeline.Query(ctx, &pipelinev1.QueryRequest{Text: "Hello"})
	if err != nil {
		return err
	}
	completed := pipelinev1.QueryState_QUERY_STATE_COMPLETED
	if err := same(completed, answered.GetQuery().GetState()); err != nil {
		return err
	}
	_, err = pipeline.Query(ctx, &pipelinev1.QueryRequest{})
	return same(errorsv1.ErrorReason_ERROR_REASON_INVALID_FIELD, reasonOf(err))
}

func reasonOf(err error) errorsv1.ErrorReason {
	for _, detail := range status.Convert(err).Details() {
		if info, ok := detail.(*errdetails.ErrorInfo); ok {
			return errorsv1.ErrorReason(errorsv1.ErrorReason_value["ERROR_REASON_"+info.GetReason()])
		}
	}
	return errorsv1.ErrorReason_ERROR_REASON_UNSPECIFIED
}

func same[T comparable](expected, actual T) error {
	if expected != actual {
		return fmt.Errorf("expected %v, got %v", expected, actual)
	}
	return nil
}
