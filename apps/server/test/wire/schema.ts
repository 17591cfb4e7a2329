/**
 * The client protocol as its specification numbers the fields, in the notation of Protobuf: written down a second time, so
 * that a wrong number in the server's own schema is a difference and no agreement.
 */
export const SCHEMA: string = `
syntax = "proto3";

message Error { uint32 code = 1; string message = 2; bool temporary = 3; }

message Command {
  uint32 id = 1;
  ConnectRequest connect = 4;
  SubscribeRequest subscribe = 5;
  ChannelRequest unsubscribe = 6;
  PublishRequest publish = 7;
  ChannelRequest presence = 8;
  ChannelRequest presence_stats = 9;
  HistoryRequest history = 10;
  Nothing ping = 11;
  SendRequest send = 12;
  RPCRequest rpc = 13;
  TokenRequest refresh = 14;
  SubTokenRequest sub_refresh = 15;
}

message Reply {
  uint32 id = 1;
  Error error = 2;
  Push push = 4;
  ConnectResult connect = 5;
  SubscribeResult subscribe = 6;
  Nothing unsubscribe = 7;
  Nothing publish = 8;
  PresenceResult presence = 9;
  PresenceStatsResult presence_stats = 10;
  HistoryResult history = 11;
  Nothing ping = 12;
  RPCResult rpc = 13;
  RefreshResult refresh = 14;
  SubRefreshResult sub_refresh = 15;
}

message Push {
  int64 id = 1;
  string channel = 2;
  Publication pub = 4;
  Membership join = 5;
  Membership leave = 6;
  Ending unsubscribe = 7;
  Message message = 8;
  Subscribed subscribe = 9;
  Disconnect disconnect = 11;
}

message ClientInfo { string user = 1; string client = 2; bytes conn_info = 3; bytes chan_info = 4; }

message Publication {
  bytes data = 4;
  ClientInfo info = 5;
  uint64 offset = 6;
  map<string, string> tags = 7;
  bool delta = 8;
  int64 time = 9;
  string channel = 10;
  string epoch = 14;
}

message Membership { ClientInfo info = 1; }
message Ending { uint32 code = 2; string reason = 3; }
message Disconnect { uint32 code = 1; string reason = 2; bool reconnect = 3; }
message Message { bytes data = 1; }
message Subscribed { bool recoverable = 1; string epoch = 4; uint64 offset = 5; bool positioned = 6; bytes data = 7; }
message Nothing {}

message ConnectRequest {
  string token = 1;
  bytes data = 2;
  map<string, SubscribeRequest> subs = 3;
  string name = 4;
  string version = 5;
  map<string, string> headers = 6;
}

message ConnectResult {
  string client = 1;
  string version = 2;
  bool expires = 3;
  uint32 ttl = 4;
  bytes data = 5;
  map<string, SubscribeResult> subs = 6;
  uint32 ping = 7;
  bool pong = 8;
  string session = 9;
  string node = 10;
}

message SubscribeRequest {
  string channel = 1;
  string token = 2;
  bool recover = 3;
  string epoch = 6;
  uint64 offset = 7;
  bytes data = 8;
  bool positioned = 9;
  bool recoverable = 10;
  bool join_leave = 11;
  string delta = 12;
  FilterNode tf = 13;
  int64 flag = 14;
  int32 type = 15;
}

message FilterNode {
  string op = 1;
  string key = 2;
  string cmp = 3;
  string val = 4;
  repeated string vals = 5;
  repeated FilterNode nodes = 6;
}

message SubscribeResult {
  bool expires = 1;
  uint32 ttl = 2;
  bool recoverable = 3;
  string epoch = 6;
  repeated Publication publications = 7;
  bool recovered = 8;
  uint64 offset = 9;
  bool positioned = 10;
  bytes data = 11;
  bool was_recovering = 12;
  bool delta = 13;
  int64 id = 14;
}

message ChannelRequest { string channel = 1; }
message TokenRequest { string token = 1; }
message SubTokenRequest { string channel = 1; string token = 2; }
message RefreshResult { string client = 1; string version = 2; bool expires = 3; uint32 ttl = 4; }
message SubRefreshResult { bool expires = 1; uint32 ttl = 2; }

/** A client may try to say who it is; no server reads field 9. */
message PublishRequest { string channel = 1; bytes data = 2; ClientInfo info = 9; }

message StreamPosition { uint64 offset = 1; string epoch = 2; }
message HistoryRequest { string channel = 1; int32 limit = 7; StreamPosition since = 8; bool reverse = 9; }
message HistoryResult { repeated Publication publications = 1; string epoch = 2; uint64 offset = 3; }
message PresenceResult { map<string, ClientInfo> presence = 1; }
message PresenceStatsResult { uint32 num_clients = 1; uint32 num_users = 2; }
message RPCRequest { bytes data = 1; string method = 2; }
message RPCResult { bytes data = 1; }
message SendRequest { bytes data = 1; }

message EmulationRequest { string node = 1; string session = 2; bytes data = 3; }
`;
