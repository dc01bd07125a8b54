"""A SQL warehouse that answers every statement with one row, which holds the number 1.

It speaks Thrift with the code that the SQL connector's authors generated. It trusts
whoever asks: the workspace in front of it has looked at the token.
Prints its port, serves until its standard input ends, and logs statements to stderr."""
import sys
import threading
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from databricks.sql.thrift_api.TCLIService import TCLIService, ttypes as t
from thrift.protocol.TBinaryProtocol import TBinaryProtocol
from thrift.transport.TTransport import TMemoryBuffer

SUCCESS = t.TStatus(statusCode=t.TStatusCode.SUCCESS_STATUS)
SCHEMA = t.TTableSchema(columns=[t.TColumnDesc(
    columnName="id", position=1, comment="", typeDesc=t.TTypeDesc(types=[
        t.TTypeEntry(primitiveEntry=t.TPrimitiveTypeEntry(type=t.TTypeId.INT_TYPE))]))])


def identifier():
    return t.THandleIdentifier(guid=uuid.uuid4().bytes, secret=uuid.uuid4().bytes)


def metadata():
    return t.TGetResultSetMetadataResp(status=SUCCESS, schema=SCHEMA, lz4Compressed=False,
                                       resultFormat=t.TSparkRowSetType.COLUMN_BASED_SET)


def rows():
    column = t.TColumn(i32Val=t.TI32Column(values=[1], nulls=b"\0"))
    return t.TFetchResultsResp(status=SUCCESS, hasMoreRows=False,
                               results=t.TRowSet(startRowOffset=0, rows=[], columns=[column]))


def finished():
    return t.TGetOperationStatusResp(status=SUCCESS, operationState=t.TOperationState.FINISHED_STATE)


class Warehouse(TCLIService.Iface):
    def OpenSession(self, req):
        return t.TOpenSessionResp(
            status=SUCCESS, sessionHandle=t.TSessionHandle(sessionId=identifier()), canUseMultipleCatalogs=True,
            initialNamespace=t.TNamespace(catalogName="main", schemaName="default"), configuration={},
            serverProtocolVersion=t.TProtocolVersion.SPARK_CLI_SERVICE_PROTOCOL_V7)

    def CloseSession(self, req):
        return t.TCloseSessionResp(status=SUCCESS)

    def ExecuteStatement(self, req):
        print("statement:", " ".join(req.statement.split()), file=sys.stderr, flush=True)
        operation = t.TOperationHandle(operationId=identifier(), hasResultSet=True,
                                       operationType=t.TOperationType.EXECUTE_STATEMENT)
        return t.TExecuteStatementResp(status=SUCCESS, operationHandle=operation, directResults=t.TSparkDirectResults(
            operationStatus=finished(), resultSetMetadata=metadata(), resultSet=rows(),
            closeOperation=t.TCloseOperationResp(status=SUCCESS)))

    def GetOperationStatus(self, req):
        return finished()

    def GetResultSetMetadata(self, req):
        return metadata()

    def FetchResults(self, req):
        return rows()

    def CloseOperation(self, req):
        return t.TCloseOperationResp(status=SUCCESS)

    def CancelOperation(self, req):
        return t.TCancelOperationResp(status=SUCCESS)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        asked = TMemoryBuffer(self.rfile.read(int(self.headers["Content-Length"])))
        answer = TMemoryBuffer()
        TCLIService.Processor(Warehouse()).process(TBinaryProtocol(asked), TBinaryProtocol(answer))
        self.send_response(200)
        self.send_header("Content-Type", "application/x-thrift")
        self.send_header("Content-Length", str(len(answer.getvalue())))
        self.end_headers()
        self.wfile.write(answer.getvalue())

    def log_message(self, *_):
        pass


server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
server.daemon_threads = True
print(server.server_port, flush=True)
threading.Thread(target=server.serve_forever, daemon=True).start()
sys.stdin.read()
