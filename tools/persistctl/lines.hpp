#pragma once

#include <persistctl/words.hpp>

#include <cstddef>
#include <istream>
#include <string>
#include <string_view>
#include <utility>

namespace persistctl {

/// The lines of a text, one at a time, for messages that name file and line. Blank lines count and
/// are passed over.
class Lines {
 public:
  /// No line may be longer than `most`: a file without line ends must not be taken into memory
  /// whole.
  Lines(std::istream& in, std::string name, std::size_t most = std::size_t{64} << 20)
      : in_(in), name_(std::move(name)), most_(most) {}

  /// Whether there was another line. `too_large` for one beyond the limit, `io` if the file could
  /// not be read on.
  [[nodiscard]] Result<bool> next() {
    do {
      text_.clear();
      if (in_.peek() == std::istream::traits_type::eof()) {
        if (in_.bad()) return error(Errc::io, "the file could not be read on");
        return false;
      }
      ++number_;
      if (!take_line())
        return error(Errc::too_large,
                     "the line is longer than " + std::to_string(most_) + " bytes");
    } while (text_.find_first_not_of(" \t\r") == std::string::npos);
    return true;
  }
  [[nodiscard]] std::string_view text() const noexcept { return text_; }
  [[nodiscard]] std::size_t number() const noexcept { return number_; }
  /// `FILE:LINE`, as compilers name a place.
  [[nodiscard]] std::string place() const { return name_ + ":" + std::to_string(number_); }
  [[nodiscard]] Error error(Errc code, std::string_view what) const {
    return {code, place() + ": " + std::string(what)};
  }

 private:
  bool take_line() {
    using Traits = std::istream::traits_type;
    std::streambuf& from = *in_.rdbuf();
    for (auto got = from.sbumpc(); !Traits::eq_int_type(got, Traits::eof()); got = from.sbumpc()) {
      if (Traits::to_char_type(got) == '\n') return true;
      if (text_.size() == most_) return false;
      text_.push_back(Traits::to_char_type(got));
    }
    return true;
  }

  std::istream& in_;
  std::string name_;
  std::size_t most_;
  std::string text_;
  std::size_t number_ = 0;
};

}  // namespace persistctl
