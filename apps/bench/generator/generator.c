/*
 * The load generator: one thread, one epoll set, raw sockets, its own WebSocket frame reader. Linux only.
 *
 *   generator PORT DIALECT        DIALECT: centrifuge | plain | socket.io
 *
 * Commands arrive on stdin, one a line; each gets one line of JSON on stdout:
 *
 *   open CLIENTS CHANNELS IN_FLIGHT SUBSCRIBE   connect; client i subscribes to channel i modulo CHANNELS
 *   publisher                                   connect the client that publishes (it subscribes to nothing)
 *   fanout MILLISECONDS                         to channel 0, the next publication once all have the last one
 *   rate PER_SECOND MILLISECONDS CEILING_MS     to all channels in turn, open loop; gives up far above the ceiling
 *   close                                       drop every connection
 *
 * Latency runs from the moment a publication was due to the moment a subscriber's bytes were read, so that a late
 * generator or a stalled server cannot hide waiting time. node-generator.ts speaks the same commands.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define MAXIMUM_CLIENTS 20000
#define MAXIMUM_CHANNELS 1000
#define MAXIMUM_MESSAGE (1 << 20)      /* bytes of one frame; more is a broken server */
#define READ_BYTES (256 << 10)
#define OUTBOX_BYTES (16 << 20)        /* unsent publications; past this the step has failed anyway */
#define OPEN_DEADLINE_US 30000000ull
#define ROUND_DEADLINE_US 5000000ull   /* one publication to all subscribers */
#define DRAIN_DEADLINE_US 10000000ull
#define SILENCE_US 1000000ull          /* at least; publications outstanding, nothing read: jammed */
#define PAYLOAD_BYTES 128
#define TIME_DIGITS 16
#define SEQUENCE_DIGITS 10
static const char MARK[] = "{\"t\":\"";                    /* how every payload starts */
#define TIME_AT (sizeof(MARK) - 1)
#define SEQUENCE_AT (TIME_AT + TIME_DIGITS + 7)            /* past `","s":"` */

typedef enum { CENTRIFUGE, PLAIN, SOCKET_IO } dialect_name;
typedef enum { CLOSED, CONNECTING, UPGRADING, GREETING, READY } client_state;

typedef struct {
  int fd;
  client_state state;
  bool subscribes;
  int channel;
  uint32_t next_sequence;
  uint8_t *carried;                    /* a frame not yet complete */
  size_t carried_bytes;
  uint64_t opened_us;
} client;

static dialect_name dialect;
static int port, epoll_fd;
static client clients[MAXIMUM_CLIENTS], publisher = {.fd = -1};
static int client_count, channel_count, ready_count, closed_count, opening_count;
static uint32_t sequences[MAXIMUM_CHANNELS];
static uint8_t read_buffer[READ_BYTES + MAXIMUM_MESSAGE];
static uint8_t *outbox;
static size_t outbox_start, outbox_end;
static uint64_t received, disordered, last_read_us, now_us, latest_us;
static uint32_t command_id = 2;
static bool idle;
static char failure[256];

/* Latency in microseconds, exact to 127, then to 1.6 %. */
#define BUCKETS 2048
static uint64_t histogram[BUCKETS], histogram_count, histogram_maximum;

static uint64_t monotonic_us(void) {
  struct timespec at;
  clock_gettime(CLOCK_MONOTONIC, &at);
  return (uint64_t)at.tv_sec * 1000000 + (uint64_t)at.tv_nsec / 1000;
}

static double cpu_seconds(void) {
  struct rusage usage;
  getrusage(RUSAGE_SELF, &usage);
  return usage.ru_utime.tv_sec + usage.ru_stime.tv_sec + (usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

static void fail(const char *format, ...) {
  if (failure[0]) return;
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(failure, sizeof failure, format, arguments);
  va_end(arguments);
  for (char *c = failure; *c; c++) if (*c < ' ' || *c == '"' || *c == '\\' || *c > '~') *c = '\'';
}

static void histogram_reset(void) {
  memset(histogram, 0, sizeof histogram);
  histogram_count = histogram_maximum = 0;
}

static void histogram_add(uint64_t value) {
  if (value > histogram_maximum) histogram_maximum = value;
  int shift = value < 128 ? 0 : 64 - __builtin_clzll(value) - 7;
  size_t bucket = ((size_t)shift << 6) + (size_t)(value >> shift);
  histogram[bucket < BUCKETS ? bucket : BUCKETS - 1]++;
  histogram_count++;
}

static uint64_t histogram_percentile(double share) {
  uint64_t wanted = (uint64_t)(share * (double)histogram_count + 0.999999), seen = 0;
  for (size_t bucket = 0; bucket < BUCKETS; bucket++) {
    seen += histogram[bucket];
    if (seen < wanted || seen == 0) continue;
    size_t shift = bucket < 128 ? 0 : (bucket >> 6) - 1;
    uint64_t upper = (((uint64_t)bucket - (shift << 6) + 1) << shift) - 1;
    return upper < histogram_maximum ? upper : histogram_maximum;
  }
  return histogram_maximum;
}

static void forget(client *c) {
  if (c->state == CLOSED) return;
  if (c->state != READY) opening_count--; else if (c != &publisher) ready_count--;
  struct linger reset = {1, 0};        /* no TIME_WAIT: thousands of ports come back at once */
  setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
  close(c->fd);
  free(c->carried);
  c->carried = NULL;
  c->carried_bytes = 0;
  c->state = CLOSED;
}

static void lose(client *c, const char *why) {
  if (c->state != READY) fail("connection closed before it was ready: %s", why);
  closed_count++;
  forget(c);
}

/* One masked text frame at `out`; the key is fixed, and not zero, which servers would skip. */
static size_t put_frame(uint8_t *out, int opcode, const char *text, size_t bytes) {
  static const uint8_t key[4] = {0x5a, 0x17, 0xc3, 0x88};
  size_t at = 0;
  out[at++] = (uint8_t)(0x80 | opcode);
  if (bytes < 126) out[at++] = (uint8_t)(0x80 | bytes);
  else {
    out[at++] = 0x80 | 126;
    out[at++] = (uint8_t)(bytes >> 8);
    out[at++] = (uint8_t)bytes;
  }
  memcpy(out + at, key, 4);
  at += 4;
  for (size_t i = 0; i < bytes; i++) out[at + i] = (uint8_t)text[i] ^ key[i & 3];
  return at + bytes;
}

static void flush_outbox(void) {
  if (publisher.state == CLOSED) return;
  while (outbox_start < outbox_end) {
    ssize_t written = send(publisher.fd, outbox + outbox_start, outbox_end - outbox_start, MSG_NOSIGNAL);
    if (written < 0) {
      if (errno != EAGAIN) lose(&publisher, strerror(errno));
      return;
    }
    outbox_start += (size_t)written;
  }
  outbox_start = outbox_end = 0;
}

/* A few small frames to an idle socket: the kernel takes them whole, anything else is a failed run. */
static void write_whole(client *c, const void *bytes, size_t count) {
  ssize_t written = send(c->fd, bytes, count, MSG_NOSIGNAL);
  if (written == (ssize_t)count) return;
  if (written >= 0) fail("a socket took %zd of %zu bytes", written, count);
  lose(c, written < 0 ? strerror(errno) : "short write");
}

static void write_frame(client *c, int opcode, const char *text, size_t bytes) {
  uint8_t frame[1024];
  size_t count = put_frame(frame, opcode, text, bytes > 900 ? 900 : bytes);
  if (c != &publisher) { write_whole(c, frame, count); return; }
  if (outbox_end + count > OUTBOX_BYTES) { fail("the outbox is full"); return; }
  memcpy(outbox + outbox_end, frame, count);
  outbox_end += count;
  flush_outbox();
}

static void write_text(client *c, const char *format, ...) {
  char text[512];
  va_list arguments;
  va_start(arguments, format);
  int bytes = vsnprintf(text, sizeof text, format, arguments);
  va_end(arguments);
  write_frame(c, 1, text, (size_t)bytes);
}

static void become_ready(client *c) {
  c->state = READY;
  opening_count--;
  if (c != &publisher) ready_count++;
  histogram_add(now_us - c->opened_us);
}

static void greet(client *c) {
  if (dialect == CENTRIFUGE) {
    if (c->subscribes) write_text(c, "{\"id\":1,\"connect\":{}}\n{\"id\":2,\"subscribe\":{\"channel\":\"bench:%d\"}}", c->channel);
    else write_text(c, "{\"id\":1,\"connect\":{}}");
  } else if (dialect == PLAIN) {
    write_text(c, "{\"type\":\"connect\"}");
    if (c->subscribes) write_text(c, "{\"type\":\"subscribe\",\"channel\":\"bench:%d\"}", c->channel);
  }
}

static bool contains(const uint8_t *text, size_t bytes, const char *part) {
  return memmem(text, bytes, part, strlen(part)) != NULL;
}

static void read_greeting(client *c, const uint8_t *text, size_t bytes) {
  const char *refusal = dialect == SOCKET_IO ? "44{" : "\"error\"";
  if (contains(text, bytes, refusal)) { fail("refused: %.*s", (int)bytes, (const char *)text); return; }
  if (dialect == SOCKET_IO) {
    if (text[0] == '0') write_text(c, "40");
    else if (bytes >= 2 && text[0] == '4' && text[1] == '0') {
      if (c->subscribes) write_text(c, "420[\"subscribe\",\"bench:%d\"]", c->channel);
      else become_ready(c);
    } else if (bytes >= 3 && memcmp(text, "430", 3) == 0) become_ready(c);
    return;
  }
  const char *last = dialect == CENTRIFUGE ? (c->subscribes ? "\"subscribe\":{" : "\"connect\":{")
                                           : (c->subscribes ? "\"subscribed\"" : "\"connected\"");
  if (contains(text, bytes, last)) become_ready(c);
}

static uint64_t digits(const uint8_t *text, int count) {
  uint64_t value = 0;
  for (int i = 0; i < count; i++) value = value * 10 + (uint64_t)(text[i] - '0');
  return value;
}

/* A message may carry several publications; each is found by its payload's first bytes, nothing is parsed. */
static void read_message(client *c, const uint8_t *text, size_t bytes) {
  if (c->state == GREETING) { read_greeting(c, text, bytes); return; }
  if (dialect == CENTRIFUGE && bytes == 2 && text[0] == '{') { write_text(c, "{}"); return; }
  if (dialect == SOCKET_IO && bytes == 1 && text[0] == '2') { write_text(c, "3"); return; }
  if (c == &publisher) {
    if (contains(text, bytes, "\"error\"")) fail("publish refused: %.*s", (int)bytes, (const char *)text);
    return;
  }
  const uint8_t *at = text, *end = text + bytes;
  while ((at = memmem(at, (size_t)(end - at), MARK, sizeof MARK - 1)) != NULL) {
    if (end - at < PAYLOAD_BYTES) { fail("a payload was cut short"); return; }
    uint64_t due_us = digits(at + TIME_AT, TIME_DIGITS);
    uint32_t sequence = (uint32_t)digits(at + SEQUENCE_AT, SEQUENCE_DIGITS);
    if (sequence != c->next_sequence) disordered++;
    c->next_sequence = sequence + 1;
    received++;
    latest_us = now_us > due_us ? now_us - due_us : 0;
    histogram_add(latest_us);
    at += PAYLOAD_BYTES;
  }
}

/* Returns the bytes used; the rest is the start of a frame. */
static size_t read_frames(client *c, const uint8_t *data, size_t bytes) {
  size_t at = 0;
  while (c->state >= GREETING && bytes - at >= 2) {
    int opcode = data[at] & 15;
    size_t head = 2;
    uint64_t length = data[at + 1] & 127;
    if (length == 126) {
      if (bytes - at < 4) break;
      length = (uint64_t)data[at + 2] << 8 | data[at + 3];
      head = 4;
    } else if (length == 127) {
      if (bytes - at < 10) break;
      length = 0;
      for (int i = 2; i < 10; i++) length = length << 8 | data[at + i];
      head = 10;
    }
    if ((data[at + 1] & 128) || length > MAXIMUM_MESSAGE - 10) { fail("a frame the server may not send"); return bytes; }
    if (bytes - at - head < length) break;
    const uint8_t *body = data + at + head;
    at += head + length;
    if (opcode <= 2) read_message(c, body, length);
    else if (opcode == 9) write_frame(c, 10, (const char *)body, length);
    else if (opcode == 8) {
      char why[160];
      snprintf(why, sizeof why, "close %d %.*s", length >= 2 ? body[0] << 8 | body[1] : 1005, length > 2 ? (int)length - 2 : 0, body + 2);
      lose(c, why);
      return bytes;
    }
  }
  return at;
}

static size_t read_upgrade(client *c, const uint8_t *data, size_t bytes) {
  const uint8_t *end = memmem(data, bytes, "\r\n\r\n", 4);
  if (!end) return 0;
  if (bytes < 12 || memcmp(data + 9, "101", 3) != 0) {
    fail("the upgrade was refused: %.*s", 40, (const char *)data);
    lose(c, "no upgrade");
    return bytes;
  }
  c->state = GREETING;
  greet(c);
  return (size_t)(end - data) + 4;
}

/* Whether anything was there to read. */
static bool readable(client *c) {
  memcpy(read_buffer, c->carried, c->carried_bytes);
  ssize_t got = recv(c->fd, read_buffer + c->carried_bytes, READ_BYTES, 0);
  if (got <= 0) {
    if (got == 0 || errno != EAGAIN) lose(c, got == 0 ? "end of stream" : strerror(errno));
    return false;
  }
  last_read_us = now_us = monotonic_us();
  size_t bytes = c->carried_bytes + (size_t)got, used = 0;
  if (c->state == UPGRADING) used = read_upgrade(c, read_buffer, bytes);
  if (c->state >= GREETING) used += read_frames(c, read_buffer + used, bytes - used);
  if (c->state == CLOSED) return false;
  size_t rest = bytes - used;
  if (rest > MAXIMUM_MESSAGE) { fail("a frame too large"); rest = 0; }
  if (rest > c->carried_bytes || (rest == 0 && c->carried)) {
    free(c->carried);
    c->carried = rest ? malloc(rest) : NULL;
  }
  if (rest) memcpy(c->carried, read_buffer + used, rest);
  c->carried_bytes = rest;
  return true;
}

static void connected(client *c) {
  int error = 0;
  socklen_t size = sizeof error;
  getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &error, &size);
  if (error) { lose(c, strerror(error)); return; }
  struct epoll_event event = {.events = EPOLLIN, .data.ptr = c};
  if (c == &publisher) event.events |= EPOLLOUT | EPOLLET;
  epoll_ctl(epoll_fd, EPOLL_CTL_MOD, c->fd, &event);
  static const char *paths[] = {"/connection/websocket", "/", "/socket.io/?EIO=4&transport=websocket"};
  char request[512];
  int bytes = snprintf(request, sizeof request,
                       "GET %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                       "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: cG9seXdpcmUtYmVuY2gtMQ==\r\n\r\n", paths[dialect], port);
  c->state = UPGRADING;
  write_whole(c, request, (size_t)bytes);
}

static void pump(int timeout_ms) {
  struct epoll_event events[512];
  int count = epoll_wait(epoll_fd, events, 512, timeout_ms);
  now_us = monotonic_us();
  for (int i = 0; i < count; i++) {
    client *c = events[i].data.ptr;
    if (c == NULL) {                   /* stdin: the next command, or the end of whoever sends them */
      if (!idle) exit(0);
      idle = false;
    } else if (failure[0]) continue;   /* what has failed is over; stdin is heard all the same */
    else if (c->state == CONNECTING) connected(c);
    else if (c->state != CLOSED && c != &publisher) readable(c);
    else if (c->state != CLOSED) {     /* edge-triggered, so read until nothing is left */
      flush_outbox();
      while (c->state != CLOSED && !failure[0] && readable(c)) continue;
    }
  }
}

static void start_client(client *c, int channel, bool subscribes) {
  *c = (client){.state = CONNECTING, .channel = channel, .subscribes = subscribes, .next_sequence = sequences[channel]};
  opening_count++;
  c->opened_us = monotonic_us();
  c->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (c->fd < 0) { fail("socket: %s", strerror(errno)); opening_count--; c->state = CLOSED; return; }
  int on = 1;
  setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  struct epoll_event event = {.events = EPOLLOUT, .data.ptr = c};
  if (connect(c->fd, (struct sockaddr *)&address, sizeof address) < 0 && errno != EINPROGRESS) lose(c, strerror(errno));
  else epoll_ctl(epoll_fd, EPOLL_CTL_ADD, c->fd, &event);
}

static void answer(uint64_t started_us, double started_cpu, uint64_t publications, uint64_t expected) {
  double seconds = (double)(monotonic_us() - started_us) / 1e6;
  if (failure[0]) printf("{\"ok\":false,\"error\":\"%s\"}\n", failure);
  else
    printf("{\"ok\":true,\"seconds\":%.6f,\"cpuSeconds\":%.6f,\"publications\":%" PRIu64 ",\"expected\":%" PRIu64
           ",\"received\":%" PRIu64 ",\"disordered\":%" PRIu64 ",\"closed\":%d,\"ready\":%d,\"p50Us\":%" PRIu64
           ",\"p99Us\":%" PRIu64 ",\"maximumUs\":%" PRIu64 "}\n",
           seconds, cpu_seconds() - started_cpu, publications, expected, received, disordered, closed_count, ready_count,
           histogram_percentile(0.5), histogram_percentile(0.99), histogram_maximum);
  fflush(stdout);
  failure[0] = 0;
}

static void begin(void) {
  histogram_reset();
  received = disordered = 0;
  closed_count = 0;
  latest_us = 0;
}

static void open_clients(int count, int channels, int in_flight, bool subscribes) {
  uint64_t started = monotonic_us();
  double cpu = cpu_seconds();
  begin();
  if (count > MAXIMUM_CLIENTS || channels < 1 || channels > MAXIMUM_CHANNELS) fail("too many clients or channels");
  else { client_count = count; channel_count = channels; }
  int next = 0;
  while (!failure[0] && ready_count < count) {
    while (next < count && opening_count < in_flight && !failure[0]) {
      start_client(&clients[next], next % channels, subscribes);
      next++;
    }
    pump(100);
    if (monotonic_us() - started > OPEN_DEADLINE_US) fail("%d of %d clients ready after 30 s", ready_count, count);
  }
  answer(started, cpu, 0, 0);
}

static void open_publisher(void) {
  uint64_t started = monotonic_us();
  double cpu = cpu_seconds();
  begin();
  outbox_start = outbox_end = 0;
  start_client(&publisher, 0, false);
  while (!failure[0] && publisher.state != READY) {
    pump(100);
    if (monotonic_us() - started > OPEN_DEADLINE_US) fail("the publisher is not ready after 30 s");
  }
  answer(started, cpu, 0, 0);
}

/* False when the server has left too much unread. */
static bool publish(int channel, uint64_t due_us) {
  if (outbox_end + 512 > OUTBOX_BYTES && outbox_start <= OUTBOX_BYTES / 2) return false;
  char payload[PAYLOAD_BYTES + 1], text[320];
  int used = snprintf(payload, sizeof payload, "%s%0*" PRIu64 "\",\"s\":\"%0*" PRIu32 "\",\"pad\":\"", MARK, TIME_DIGITS, due_us,
                      SEQUENCE_DIGITS, sequences[channel]++);
  memset(payload + used, 'x', (size_t)(PAYLOAD_BYTES - 2 - used));
  memcpy(payload + PAYLOAD_BYTES - 2, "\"}", 3);
  int bytes;
  if (dialect == CENTRIFUGE) {
    bytes = snprintf(text, sizeof text, "{\"id\":%u,\"publish\":{\"channel\":\"bench:%d\",\"data\":%s}}", ++command_id, channel, payload);
  } else {
    const char *form = dialect == PLAIN ? "{\"type\":\"publish\",\"channel\":\"bench:%d\",\"data\":%s}" : "42[\"publish\",\"bench:%d\",%s]";
    bytes = snprintf(text, sizeof text, form, channel, payload);
  }
  if (outbox_start > OUTBOX_BYTES / 2) {
    memmove(outbox, outbox + outbox_start, outbox_end - outbox_start);
    outbox_end -= outbox_start;
    outbox_start = 0;
  }
  outbox_end += put_frame(outbox + outbox_end, 1, text, (size_t)bytes);
  return true;
}

static void fan_out(uint64_t duration_us) {
  begin();
  uint64_t started = monotonic_us(), publications = 0, expected = 0;
  double cpu = cpu_seconds();
  while (!failure[0] && closed_count == 0 && monotonic_us() - started < duration_us) {
    uint64_t at = monotonic_us();
    publish(0, at);
    flush_outbox();
    publications++;
    expected += (uint64_t)client_count;
    while (received < expected && closed_count == 0 && !failure[0]) {
      pump(100);
      if (now_us - at > ROUND_DEADLINE_US) fail("%" PRIu64 " of %d subscribers had the publication after 5 s",
                                                received + (uint64_t)client_count - expected, client_count);
    }
  }
  answer(started, cpu, publications, expected);
}

static void sustain(uint64_t per_second, uint64_t duration_us, uint64_t ceiling_us) {
  begin();
  uint64_t started = monotonic_us(), publications = 0, total = per_second * duration_us / 1000000;
  uint64_t per_publication = (uint64_t)(client_count / channel_count);
  double cpu = cpu_seconds();
  last_read_us = started;
  uint64_t silence_us = 5 * ceiling_us > SILENCE_US ? 5 * ceiling_us : SILENCE_US;
  bool hopeless = false;
  while (!failure[0] && closed_count == 0 && !hopeless && publications < total) {
    uint64_t now = monotonic_us(), due = (now - started) * per_second / 1000000;
    for (; publications < due && publications < total && !hopeless; publications++) {
      hopeless = !publish((int)(publications % (uint64_t)channel_count), started + publications * 1000000 / per_second);
      if (hopeless) break;
    }
    flush_outbox();
    pump(1);
    hopeless = hopeless || latest_us > 5 * ceiling_us || (received < publications * per_publication && now_us > last_read_us + silence_us);
  }
  uint64_t stopped = monotonic_us();
  while (!failure[0] && closed_count == 0 && received < publications * per_publication && monotonic_us() - stopped < DRAIN_DEADLINE_US) {
    flush_outbox();
    pump(10);
  }
  answer(started, cpu, publications, publications * per_publication);
}

static void close_all(void) {
  begin();
  for (int i = 0; i < client_count; i++) forget(&clients[i]);
  forget(&publisher);
  client_count = ready_count = opening_count = 0;
  answer(monotonic_us(), cpu_seconds(), 0, 0);
}

int main(int argc, char **argv) {
  if (argc != 3) { fprintf(stderr, "usage: generator PORT centrifuge|plain|socket.io\n"); return 2; }
  port = atoi(argv[1]);
  dialect = strcmp(argv[2], "plain") == 0 ? PLAIN : strcmp(argv[2], "socket.io") == 0 ? SOCKET_IO : CENTRIFUGE;
  struct rlimit files;
  getrlimit(RLIMIT_NOFILE, &files);
  files.rlim_cur = files.rlim_max;
  setrlimit(RLIMIT_NOFILE, &files);
  epoll_fd = epoll_create1(EPOLL_CLOEXEC);
  outbox = malloc(OUTBOX_BYTES);
  if (epoll_fd < 0 || !outbox) { fprintf(stderr, "generator: no epoll set or no memory\n"); return 1; }
  struct epoll_event commands = {.events = EPOLLIN, .data.ptr = NULL};
  epoll_ctl(epoll_fd, EPOLL_CTL_ADD, STDIN_FILENO, &commands);
  char line[256];
  for (;;) {
    for (idle = true; idle;) pump(-1); /* pings want an answer between commands too */
    failure[0] = 0;
    if (!fgets(line, sizeof line, stdin)) return 0;
    uint64_t a = 0, b = 0, c = 0, d = 0;
    char name[32] = "";
    sscanf(line, "%31s %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64, name, &a, &b, &c, &d);
    if (strcmp(name, "open") == 0) open_clients((int)a, (int)b, (int)c, d != 0);
    else if (strcmp(name, "publisher") == 0) open_publisher();
    else if (strcmp(name, "fanout") == 0) fan_out(a * 1000);
    else if (strcmp(name, "rate") == 0) sustain(a, b * 1000, c * 1000);
    else if (strcmp(name, "close") == 0) close_all();
    else { fail("unknown command"); answer(monotonic_us(), cpu_seconds(), 0, 0); }
  }
}
