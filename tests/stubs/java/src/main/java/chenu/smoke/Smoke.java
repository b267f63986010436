package chenu.smoke;

import chenu.api.errors.v1.ErrorReason;
import chenu.api.governance.v1.Budget;
import chenu.api.governance.v1.BudgetScope;
import chenu.api.governance.v1.IdentityServiceGrpc;
import chenu.api.governance.v1.WhoAmIRequest;
import chenu.api.pipeline.v1.PipelineServiceGrpc;
import chenu.api.pipeline.v1.QueryRequest;
import chenu.api.pipeline.v1.QueryState;
import com.google.rpc.ErrorInfo;
import io.grpc.ManagedChannel;
import io.grpc.Metadata;
import io.grpc.StatusRuntimeException;
import io.grpc.netty.shaded.io.grpc.netty.NettyChannelBuilder;
import io.grpc.protobuf.StatusProto;
import io.grpc.stub.MetadataUtils;
import java.util.concurrent.TimeUnit;

/** Uses the generated stubs as a client would, against the server at CHENU_ADDRESS. */
public final class Smoke {
  private Smoke() {}

  public static void main(String[] arguments) throws Exception {
    var budget =
        Budget.newBuilder().setScope(BudgetScope.BUDGET_SCOPE_IDENTITY).setSubject("acme").build();
    same(BudgetScope.BUDGET_SCOPE_IDENTITY, budget.getScope());
    same(BudgetScope.BUDGET_SCOPE_IDENTITY_VALUE, budget.getScopeValue());
    same("acme", budget.getSubject());

    var headers = new Metadata();
    var authorization = Metadata.Key.of("authorization", Metadata.ASCII_STRING_MARSHALLER);
    headers.put(authorization, "Bearer " + System.getenv("CHENU_TOKEN"));
    ManagedChannel channel =
        NettyChannelBuilder.forTarget(System.getenv("CHENU_ADDRESS"))
            .usePlaintext()
            .intercept(MetadataUtils.newAttachHeadersInterceptor(headers))
            .build();
    try {
      speak(channel);
    } finally {
      channel.shutdownNow().awaitTermination(5, TimeUnit.SECONDS);
    }
  }

  private static void speak(ManagedChannel channel) throws Exception {
    var identity = IdentityServiceGrpc.newBlockingStub(channel);
    var pipeline = PipelineServiceGrpc.newBlockingStub(channel);

    var who = identity.withDeadlineAfter(20, TimeUnit.SECONDS);
    same("acme", who.whoAmI(WhoAmIRequest.getDefaultInstance()).getIdentityId());

    var request = QueryRequest.newBuilder().setText("Hello").build();
    var answered = pipeline.withDeadlineAfter(20, TimeUnit.SECONDS).query(request);
    same(QueryState.QUERY_STATE_COMPLETED, answered.getQuery().getState());

    try {
      pipeline.withDeadlineAfter(20, TimeUnit.SECONDS).query(QueryRequest.getDefaultInstance());
      throw new AssertionError("a query without a text was answered");
    } catch (StatusRuntimeException refused) {
      var info = StatusProto.fromThrowable(refused).getDetails(0).unpack(ErrorInfo.class);
      same(
          ErrorReason.ERROR_REASON_INVALID_FIELD,
          ErrorReason.valueOf("ERROR_REASON_" + info.getReason()));
    }
  }

  private static void same(Object expected, Object actual) {
    if (!expected.equals(actual)) {
      throw new AssertionError("expected " + expected + ", got " + actual);
    }
  }
}
