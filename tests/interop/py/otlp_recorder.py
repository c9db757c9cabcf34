"""A collector of traces by OTLP over gRPC, made of the standard's own generated code: it keeps every span that it is sent, and
tells them as JSON by HTTP. With CERTIFICATE and KEY (PEM) it speaks TLS, with AUTHORIZATION it takes spans from who shows that."""

import json
import os
import threading
from concurrent import futures
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import grpc
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2, trace_service_pb2_grpc
from opentelemetry.proto.trace.v1 import trace_pb2

spans = []
lock = threading.Lock()


def plain(attributes):
    return {each.key: getattr(each.value, each.value.WhichOneof("value")) for each in attributes}


def written(span, resource):
    return {
        "trace": span.trace_id.hex(),
        "span": span.span_id.hex(),
        "parent": span.parent_span_id.hex(),
        "name": span.name,
        "kind": trace_pb2.Span.SpanKind.Name(span.kind).removeprefix("SPAN_KIND_").lower(),
        "took": span.end_time_unix_nano - span.start_time_unix_nano,
        "attributes": plain(span.attributes),
        "resource": resource,
    }


class Recorder(trace_service_pb2_grpc.TraceServiceServicer):
    def Export(self, request, context):
        wanted = os.environ.get("AUTHORIZATION")
        if wanted and dict(context.invocation_metadata()).get("authorization") != wanted:
            context.abort(grpc.StatusCode.UNAUTHENTICATED, "who are you?")
        for of_resource in request.resource_spans:
            resource = plain(of_resource.resource.attributes)
            of_scopes = [span for scope in of_resource.scope_spans for span in scope.spans]
            with lock:
                spans.extend(written(span, resource) for span in of_scopes)
        return trace_service_pb2.ExportTraceServiceResponse()


class Teller(BaseHTTPRequestHandler):
    def do_GET(self):
        with lock:
            body = json.dumps(spans).encode()
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


server = grpc.server(futures.ThreadPoolExecutor(max_workers=8))
trace_service_pb2_grpc.add_TraceServiceServicer_to_server(Recorder(), server)
if "KEY" in os.environ:
    pair = (os.environb[b"KEY"], os.environb[b"CERTIFICATE"])
    server.add_secure_port("0.0.0.0:4317", grpc.ssl_server_credentials([pair]))
else:
    server.add_insecure_port("0.0.0.0:4317")
server.start()
ThreadingHTTPServer(("", 8080), Teller).serve_forever()
