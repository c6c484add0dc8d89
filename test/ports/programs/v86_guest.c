/*
 * A machine without an operating system that pings another one: what v86.mjs boots. It has an NE2000 at 0x300, and says on a serial line
 * what comes. Both machines are this program; v86.mjs writes into `role` which of them it is, and the first asks the second.
 */
typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;

__attribute__((section(".text.multiboot"), used)) static const u32 multiboot[] = {0x1badb002, 0, -0x1badb002};

__attribute__((naked, used)) void start(void) {
  __asm__ volatile("mov $0x200000, %esp\n cli\n jmp machine");
}

__attribute__((section(".data"), used)) static volatile struct {
  char mark[8];
  u8 number;
} role = {"ROLE-IS:", 1};

static void out8(u16 port, u8 value) { __asm__ volatile("outb %0, %1" ::"a"(value), "Nd"(port)); }
static u8 in8(u16 port) {
  u8 value;
  __asm__ volatile("inb %1, %0" : "=a"(value) : "Nd"(port));
  return value;
}

static void say(const char* text) {
  while (*text) out8(0x3f8, *text++);
}

enum { card = 0x300, data = card + 0x10, txPage = 0x40, rxStart = 0x4c, rxStop = 0x80 };
static u8 mac[6], frame[1600];
static u8 nextPage = rxStart;

static void dma(u16 from, u16 count, u8 command) {
  out8(card + 8, from & 0xff);
  out8(card + 9, from >> 8);
  out8(card + 10, count & 0xff);
  out8(card + 11, count >> 8);
  out8(card, command);
}

static void setUp(void) {
  out8(card + 0x1f, in8(card + 0x1f));
  out8(card, 0x21);
  out8(card + 14, 0x48);
  dma(0, 12, 0x0a);
  for (int i = 0; i < 12; ++i) {
    u8 byte = in8(data);
    if (i % 2 == 0) mac[i / 2] = byte;
  }
  out8(card, 0x21);
  out8(card + 12, 0x04);
  out8(card + 13, 0x00);
  out8(card + 1, rxStart);
  out8(card + 2, rxStop);
  out8(card + 3, rxStart);
  out8(card + 7, 0xff);
  out8(card + 15, 0);
  out8(card, 0x61);
  for (int i = 0; i < 6; ++i) out8(card + 1 + i, mac[i]);
  out8(card + 7, rxStart);
  out8(card, 0x22);
}

static void transmit(u16 length) {
  dma(txPage << 8, length, 0x12);
  for (u16 i = 0; i < length; ++i) out8(data, frame[i]);
  out8(card + 4, txPage);
  out8(card + 5, length & 0xff);
  out8(card + 6, length >> 8);
  out8(card, 0x26);
}

static u16 receive(void) {
  out8(card, 0x62);
  u8 current = in8(card + 7);
  out8(card, 0x22);
  if (nextPage == current) return 0;
  u8 head[4];
  dma(nextPage << 8, 4, 0x0a);
  for (int i = 0; i < 4; ++i) head[i] = in8(data);
  u16 length = (head[2] | head[3] << 8) - 4;
  if (length > sizeof frame) length = sizeof frame;
  u16 first = (rxStop << 8) - ((nextPage << 8) + 4);
  if (first > length) first = length;
  dma((nextPage << 8) + 4, first, 0x0a);
  for (u16 i = 0; i < first; ++i) frame[i] = in8(data);
  if (first < length) {
    dma(rxStart << 8, length - first, 0x0a);
    for (u16 i = first; i < length; ++i) frame[i] = in8(data);
  }
  nextPage = head[1];
  out8(card + 3, nextPage == rxStart ? rxStop - 1 : nextPage - 1);
  out8(card + 7, 0x01);
  return length;
}

static void copy(u8* to, const u8* from, int count) {
  while (count-- > 0) *to++ = *from++;
}

static int same(const u8* one, const u8* other, int count) {
  while (count-- > 0)
    if (*one++ != *other++) return 0;
  return 1;
}

static u16 sumOf(const u8* bytes, int count) {
  u32 sum = 0;
  for (int i = 0; i < count; i += 2) sum += bytes[i] << 8 | bytes[i + 1];
  while (sum >> 16) sum = (sum & 0xffff) + (sum >> 16);
  return ~sum;
}

static void put16(u8* to, u16 value) {
  to[0] = value >> 8;
  to[1] = value & 0xff;
}

static const u8 arpHead[8] = {0, 1, 8, 0, 6, 4, 0, 1};
enum { pings = 5, echoLength = 14 + 20 + 8 + 56 };
static u8 own[4] = {10, 0, 0, 0}, other[4] = {10, 0, 0, 0}, otherMac[6];

static void address(const u8* to, u16 type) {
  copy(frame, to, 6);
  copy(frame + 6, mac, 6);
  put16(frame + 12, type);
}

static void sendArp(u8 operation, const u8* to) {
  static const u8 everybody[6] = {255, 255, 255, 255, 255, 255};
  address(operation == 1 ? everybody : to, 0x0806);
  copy(frame + 14, arpHead, 8);
  frame[21] = operation;
  copy(frame + 22, mac, 6);
  copy(frame + 28, own, 4);
  copy(frame + 32, to, 6);
  copy(frame + 38, other, 4);
  for (int i = 42; i < 60; ++i) frame[i] = 0;
  transmit(60);
}

static void sendEcho(u8 type, u16 number) {
  u8 *ip = frame + 14, *icmp = ip + 20;
  address(otherMac, 0x0800);
  for (int i = 14; i < echoLength; ++i) frame[i] = 0;
  ip[0] = 0x45;
  put16(ip + 2, echoLength - 14);
  ip[8] = 64;
  ip[9] = 1;
  copy(ip + 12, own, 4);
  copy(ip + 16, other, 4);
  put16(ip + 10, sumOf(ip, 20));
  icmp[0] = type;
  put16(icmp + 6, number);
  for (int i = 8; i < 64; ++i) icmp[i] = i;
  put16(icmp + 2, sumOf(icmp, 64));
  transmit(echoLength);
}

__attribute__((used)) void machine(void) {
  const int asks = role.number == 1;
  own[3] = role.number;
  other[3] = 3 - role.number;
  setUp();
  say("up\n");
  sendArp(1, (const u8[6]){0}); // v86 connects when its card first sends
  u16 answered = 0;
  int known = 0;
  u32 patience = 0;
  for (;;) {
    if (asks && answered < pings && patience-- == 0) {
      patience = 100000;
      known ? sendEcho(8, answered + 1) : sendArp(1, (const u8[6]){0});
    }
    u16 length = receive();
    if (length < 42) continue;
    const u8 *arp = frame + 14, *ip = frame + 14, *icmp = ip + 20;
    if (frame[12] == 8 && frame[13] == 6 && same(arp, arpHead, 7) && same(arp + 24, own, 4)) {
      copy(otherMac, arp + 8, 6);
      known = 1;
      patience = 0;
      if (arp[7] == 1) sendArp(2, otherMac);
    } else if (length >= echoLength && frame[12] == 8 && frame[13] == 0 && same(ip + 16, own, 4) &&
               sumOf(ip, 20) == 0 && sumOf(icmp, 64) == 0) {
      u16 number = icmp[6] << 8 | icmp[7];
      if (icmp[0] == 8) {
        sendEcho(0, number);
      } else if (icmp[0] == 0 && asks && number == answered + 1) {
        ++answered;
        patience = 0;
        say("answer ");
        out8(0x3f8, '0' + number);
        say("\n");
      }
    }
  }
}
