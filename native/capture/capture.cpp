#include "capture/capture.hpp"

#include <algorithm>

#include "frame/checksum.hpp"

namespace etherloom {
namespace {

constexpr int patienceMilliseconds = 100;
constexpr int patienceTurns = 10;  // so a reader that has stopped has a second to go on
constexpr std::size_t firstRoom = 64 << 10;
constexpr std::uint64_t fewRecords = 4096;  // are not worth sorting out

/// What one worker recorded at one instant stays in the order in which it happened.
bool comesBefore(const CaptureRecord* left, const CaptureRecord* right) { return left->at < right->at; }

template <typename Each>
void eachBehind(const std::vector<std::byte>& records, Each&& each) {
  for (std::size_t at = 0; at < records.size();) {
    // SAFETY: record() put whole records there, each a multiple of 16 bytes long.
    const auto& record = *reinterpret_cast<const CaptureRecord*>(&records[at]);
    each(record);
    at += record.size;
  }
}

CaptureRecord headOf(const Listener& listener, Instant at, pcapng::Direction direction, const Frame& frame,
                     const Fate& fate) {
  CaptureRecord head{};
  head.interface = listener.interface;
  head.at = at.nanoseconds;
  head.arrival = frame.arrival.nanoseconds;
  head.from = static_cast<std::uint32_t>(frame.from);
  head.number = frame.number;
  head.segment = frame.segment;
  head.segments = frame.offload.segments;
  head.direction = direction;
  head.undone = (frame.offload.flags & 1) != 0;
  head.csumStart = frame.offload.csumStart;
  head.csumOffset = frame.offload.csumOffset;
  head.fate = fate;
  return head;
}

}  // namespace

Result<std::unique_ptr<Capture>> Capture::create(const CaptureSettings& settings, Output output,
                                                 const std::vector<pcapng::Interface>& interfaces,
                                                 std::size_t workers, Instant now) {
  std::unique_ptr<Capture> capture(new Capture(settings, std::move(output), interfaces.size(), now));
  for (std::size_t worker = 0; worker < workers; ++worker) {
    auto ring = RecordRing::create(settings.buffer);
    if (!ring) return ring.error();
    capture->lanes_.push_back(std::make_unique<Lane>(std::move(*ring), interfaces.size()));
  }
  pcapng::writeSection(capture->pending_);
  for (const pcapng::Interface& interface : interfaces)
    pcapng::writeInterface(capture->pending_, interface, settings.snapLength);
  return capture;
}

Capture::Capture(const CaptureSettings& settings, Output output, std::size_t interfaces, Instant now)
    : settings_(settings), output_(std::move(output)), seen_(interfaces), started_(now) {
  pending_.reserve(firstRoom);
}

void Capture::record(std::uint16_t worker, CaptureRecord head, const std::uint8_t* data,
                     std::uint32_t available, std::uint32_t length) noexcept {
  if (state() != State::Running) return;  // until its end has come round to the listeners
  Lane& lane = *lanes_[worker];
  std::uint64_t& lostSince = lane.lostSince[head.interface];
  head.captured = settings_.snapLength == 0 ? available : std::min(available, settings_.snapLength);
  head.length = length;
  head.size = RecordRing::sizeOf(head.captured);
  head.lostBefore = lostSince;
  std::byte* place = lane.behind.empty() ? lane.ring.claim(head.size) : nullptr;
  const bool inRing = place != nullptr;
  if (!inRing) {
    if (!settings_.patient) {
      lostSince += head.segments;
      lane.lost.fetch_add(head.segments, std::memory_order_relaxed);
      return;
    }
    if (settings_.count != 0 && lane.recordsBehind >= 2 * std::max(settings_.count, fewRecords)) trim(lane);
    const std::size_t at = lane.behind.size();
    lane.behind.resize(at + head.size);
    ++lane.recordsBehind;
    place = &lane.behind[at];
  }
  // SAFETY: `place` has room for `size` bytes: the head, and then what is captured.
  std::memcpy(place, &head, sizeof head);
  std::memcpy(place + sizeof head, data, head.captured);
  if (inRing) lane.ring.push(head.size);
  lostSince = 0;
}

void Capture::trim(Lane& lane) {
  std::vector<const CaptureRecord*> records;
  eachBehind(lane.behind, [&](const CaptureRecord& record) { records.push_back(&record); });
  std::stable_sort(records.begin(), records.end(), comesBefore);
  records.resize(std::min<std::size_t>(records.size(), settings_.count - frames()));
  std::vector<std::byte> kept;
  for (const CaptureRecord* record : records) {
    const auto* bytes = reinterpret_cast<const std::byte*>(record);
    kept.insert(kept.end(), bytes, bytes + record->size);
  }
  lane.behind = std::move(kept);
  lane.recordsBehind = records.size();
}

bool Capture::pump() {
  if (state() != State::Running) return false;
  flush();
  if (state() != State::Running || !pending_.empty()) return false;
  std::vector<std::uint64_t> positions;
  for (const auto& lane : lanes_) {
    positions.push_back(lane->ring.read([&](const CaptureRecord& record) { batch_.push_back(&record); }));
    eachBehind(lane->behind, [&](const CaptureRecord& record) { batch_.push_back(&record); });
  }
  std::stable_sort(batch_.begin(), batch_.end(), comesBefore);
  const bool any = !batch_.empty();
  for (const CaptureRecord* record : batch_) {
    if (settings_.count != 0 && frames() >= settings_.count) break;
    emit(*record);
  }
  batch_.clear();
  for (std::size_t index = 0; index < lanes_.size(); ++index) {
    lanes_[index]->ring.release(positions[index]);
    lanes_[index]->behind.clear();
    lanes_[index]->recordsBehind = 0;
  }
  flush();
  if (state() == State::Running && settings_.count != 0 && frames() >= settings_.count) finish({});
  if (output_ && output_->abandoned()) end(State::Failed, EPIPE);
  return any;
}

void Capture::emit(const CaptureRecord& record) {
  Seen& seen = seen_[record.interface];
  lastAt_ = {record.at};
  seen.frames += record.segments;
  seen.lost += record.lostBefore;
  comment_.clear();
  writeFate(comment_, record);

  std::span<const std::byte> bytes(record.bytes(), record.captured);
  const std::size_t field = std::size_t{record.csumStart} + record.csumOffset;
  if (record.undone && record.captured == record.length && field + 2 <= bytes.size()) {
    // What the sender left to a device that never was: as it would have done it.
    scratch_.assign(bytes.begin(), bytes.end());
    const auto* start = reinterpret_cast<const std::uint8_t*>(scratch_.data()) + record.csumStart;
    const std::uint16_t sum = checksumOf(onesComplementSum(start, scratch_.size() - record.csumStart));
    scratch_[field] = static_cast<std::byte>(sum >> 8);
    scratch_[field + 1] = static_cast<std::byte>(sum & 0xff);
    bytes = scratch_;
  }
  pcapng::writePacket(pending_, {record.interface, record.at + settings_.clockOrigin.nanoseconds, bytes,
                                 record.length, record.direction, record.lostBefore, comment_});
  frames_.fetch_add(1, std::memory_order_relaxed);
}

void Capture::flush() {
  while (written_ < pending_.size()) {
    const auto wrote = output_->write(std::span(pending_).subspan(written_));
    if (!wrote) return end(State::Failed, wrote.error().number);
    if (*wrote == 0) return;
    written_ += *wrote;
    bytes_.fetch_add(*wrote, std::memory_order_relaxed);
  }
  pending_.clear();
  written_ = 0;
}

void Capture::finish(Instant now) {
  const bool ownEnd = settings_.count != 0 && frames() >= settings_.count;
  while (!ownEnd && pump() && state() == State::Running) {
  }
  if (state() != State::Running) return;
  const std::int64_t origin = settings_.clockOrigin.nanoseconds;
  for (std::uint32_t index = 0; index < seen_.size(); ++index) {
    std::uint64_t lost = seen_[index].lost;
    for (const auto& lane : lanes_) lost += ownEnd ? 0 : lane->lostSince[index];
    const std::int64_t end = std::max({now, started_, lastAt_}).nanoseconds + origin;
    pcapng::writeStatistics(pending_,
                            {index, started_.nanoseconds + origin, end, seen_[index].frames + lost, lost});
  }
  flush();
  for (int turn = 0; turn < patienceTurns && state() == State::Running && !pending_.empty(); ++turn) {
    output_->wait(patienceMilliseconds);
    flush();
  }
  if (state() == State::Running) end(pending_.empty() ? State::Ended : State::Failed, ETIMEDOUT);
}

void Capture::end(State state, int error) {
  failure_ = state == State::Failed ? error : 0;
  output_.reset();
  pending_ = {};
  written_ = 0;
  state_.store(state, std::memory_order_release);
}

std::uint64_t Capture::lost() const {
  std::uint64_t lost = 0;
  for (const auto& lane : lanes_) lost += lane->lost.load(std::memory_order_relaxed);
  return lost;
}

void writeFate(std::string& into, const CaptureRecord& record) {
  const Fate& fate = record.fate;
  if (fate.kind == Fate::Kind::None) {
    if (record.segments > 1) into = "segments=" + std::to_string(record.segments);
    return;
  }
  if (fate.counted) into += "n=" + std::to_string(fate.index) + ' ';
  if (record.segments > 1) into += "segments=" + std::to_string(record.segments) + ' ';
  if (fate.kind == Fate::Kind::Dropped) {
    into += "fate=dropped reason=";
    into += dropReasonNames[static_cast<std::size_t>(fate.reason)];
    into += " stage=";
    into += fate.stage;
  } else {
    into += "fate=delivered delay=" + std::to_string(fate.delay) + "ns";
  }
  if (fate.copies > 1)
    into += " copies=" + std::to_string(fate.copies) + " copy=" + std::to_string(fate.copy);
  if (fate.flipped != 0) into += " corrupted=" + std::to_string(fate.flipped - 1);
}

void recordAt(const Listener& listener, std::uint16_t worker, Instant at, pcapng::Direction direction,
              const Frame& frame, const Fate& fate) noexcept {
  listener.capture->record(worker, headOf(listener, at, direction, frame, fate), frame.data, frame.length,
                           frame.length);
}

void recordUncut(const Listener& listener, std::uint16_t worker, Instant at, const Frame& superFrame,
                 std::uint32_t length, const Fate& fate) noexcept {
  CaptureRecord head = headOf(listener, at, pcapng::Direction::Unknown, superFrame, fate);
  head.segments = 1;
  head.undone = false;
  listener.capture->record(worker, head, superFrame.data,
                           std::min<std::uint32_t>(superFrame.offload.headerLength, length), length);
}

}  // namespace etherloom
