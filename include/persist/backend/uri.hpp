#pragma once

#include <persist/backend/file/options.hpp>
#include <persist/clock.hpp>
#include <persist/result.hpp>

#include <charconv>
#include <chrono>
#include <concepts>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

// Which database, as text: `sqlite:/srv/game.db?durability=relaxed#players`.

namespace persist::inline PERSIST_ABI::backend {

/// A whole number without a sign, and nothing else.
[[nodiscard]] inline bool read_number(std::string_view text, int& to) noexcept {
  const char* const last = text.data() + text.size();
  const auto [end, error] = std::from_chars(text.data(), last, to);
  return error == std::errc{} && end == last && to >= 0;
}

/// `//USER:PASSWORD@HOST:PORT/PATH`, of which everything may be left out.
struct Authority {
  std::string user, password, host;
  int port = 0;      ///< 0: not given
  std::string path;  ///< without its slash
};

/// A URI (RFC 3986) taken apart: `SCHEME:PLACE?OPTION=VALUE&…#STORE`. Everything behind the scheme
/// may hold percent-encoded bytes.
class Uri {
 public:
  /// `invalid`: no scheme, `%` without two hexadecimal digits, a NUL, an option without a name or
  /// given twice. No error repeats the text: it may hold a password.
  [[nodiscard]] static Result<Uri> read(std::string_view text) {
    Uri uri;
    const std::size_t colon = text.find(':');
    if (colon == std::string_view::npos || colon == 0 || !is_scheme(text.substr(0, colon)))
      return Error(
          Errc::invalid,
          "this is no URI of a database; one looks like file:saves or sqlite:/srv/game.db");
    uri.scheme_ = text.substr(0, colon);
    text.remove_prefix(colon + 1);
    const std::string_view store = cut_off(text, '#');
    uri.plain_ = text;
    const std::string_view options = cut_off(text, '?');
    auto place = decoded(text);
    auto named = decoded(store);
    if (!place || !named) return place ? named.error() : place.error();
    uri.place_ = *std::move(place);
    uri.store_ = *std::move(named);
    if (auto taken = uri.read_options(options); !taken) return taken.error();
    return uri;
  }

  [[nodiscard]] const std::string& scheme() const noexcept { return scheme_; }
  /// What is between the scheme and the first `?` or `#`, decoded.
  [[nodiscard]] const std::string& place() const noexcept { return place_; }
  /// The store that is meant, where one is named.
  [[nodiscard]] const std::string& store() const noexcept { return store_; }
  /// The place, and of the options those that nobody took, as they were written: for a client
  /// library with URIs of its own.
  [[nodiscard]] std::string rest() const {
    std::string text = plain_.substr(0, plain_.find('?'));
    char before = '?';
    for (const Option& each : options_)
      text += before + each.plain, before = '&';
    return text;
  }

  /// Whether it has a password, which is not to be shown: `//USER:PASSWORD@…`, or an option.
  [[nodiscard]] bool holds_password() const {
    for (const Option& each : options_)
      if (each.name == "password") return true;
    if (!plain_.starts_with("//")) return false;
    const std::string_view authority = std::string_view(plain_).substr(2, plain_.find('/', 2) - 2);
    const std::size_t at = authority.rfind('@');
    return at != std::string_view::npos &&
           authority.substr(0, at).find(':') != std::string_view::npos;
  }
  /// The place as a path on this machine: `DIR`, `/DIR` or `///DIR`. `invalid` where there is none,
  /// or another machine is named.
  [[nodiscard]] Result<std::string> path() const {
    std::string_view path = place_;
    if (path.starts_with("//")) {
      path.remove_prefix(2);
      if (!path.starts_with('/'))
        return wrong("names a machine; a path begins with one slash or three");
    }
    if (path.empty()) return wrong("names no file or folder");
    return std::string(path);
  }

  /// An option's value; asked for once, so that `finish` knows what nobody asked for.
  [[nodiscard]] std::optional<std::string> take(std::string_view name) {
    for (auto at = options_.begin(); at != options_.end(); ++at) {
      if (at->name != name) continue;
      std::optional<std::string> value = std::move(at->value);
      options_.erase(at);
      return value;
    }
    return std::nullopt;
  }
  /// Says it where it was not said.
  void put_usual(const std::string& name, const std::string& value) {
    for (const Option& each : options_)
      if (each.name == name) return;
    options_.push_back({name, value, name + '=' + value});
  }
  /// `full` or `relaxed`.
  [[nodiscard]] Result<Durability> take_durability() {
    const auto said = take("durability");
    if (!said || *said == "full") return Durability::full;
    if (*said == "relaxed") return Durability::relaxed;
    return wrong("says durability=" + *said + "; it is full or relaxed");
  }
  /// A whole number of `s` or `ms`.
  [[nodiscard]] Result<Duration> take_duration(std::string_view name, Duration usual) {
    const auto said = take(name);
    if (!said) return usual;
    std::uint32_t number = 0;
    const char* const last = said->data() + said->size();
    const auto [end, error] = std::from_chars(said->data(), last, number);
    const std::string_view unit(end, static_cast<std::size_t>(last - end));
    if (error == std::errc{} && unit == "s") return std::chrono::seconds(number);
    if (error == std::errc{} && unit == "ms") return std::chrono::milliseconds(number);
    return wrong("says " + std::string(name) + "=" + *said + "; it is a time like 5s or 250ms");
  }
  /// `yes` or `no`.
  [[nodiscard]] Result<bool> take_flag(std::string_view name, bool usual) {
    const auto said = take(name);
    if (!said) return usual;
    if (*said == "yes" || *said == "no") return *said == "yes";
    return wrong("says " + std::string(name) + "=" + *said + "; it is yes or no");
  }
  [[nodiscard]] Result<int> take_number(std::string_view name, int usual) {
    const auto said = take(name);
    int number = usual;
    if (!said || read_number(*said, number)) return number;
    return wrong("says " + std::string(name) + "=" + *said + "; it is a whole number");
  }
  /// The place as a server. `invalid` where it is none.
  [[nodiscard]] Result<Authority> authority() const {
    Authority server;
    std::string_view text = std::string_view(plain_).substr(0, plain_.find('?'));
    if (!text.starts_with("//")) return server;
    text.remove_prefix(2);
    std::string_view path = cut_off(text, '/');
    std::string_view user, password;
    if (const std::size_t at = text.rfind('@'); at != std::string_view::npos) {
      user = text.substr(0, at);
      password = cut_off(user, ':');
      text.remove_prefix(at + 1);
    }
    // The colons of an address of IPv6 stand between brackets.
    const std::size_t colon = text.rfind(':');
    std::string_view host = text;
    if (colon != std::string_view::npos && text.find(']', colon) == std::string_view::npos) {
      host = text.substr(0, colon);
      if (!read_number(text.substr(colon + 1), server.port) || server.port > 65535)
        return wrong("names no port behind the colon of its host");
    }
    if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
    for (const auto& [from, to] :
         {std::pair{user, &server.user}, std::pair{password, &server.password},
          std::pair{host, &server.host}, std::pair{path, &server.path}}) {
      auto plain = decoded(from);
      if (!plain) return plain.error();
      *to = *std::move(plain);
    }
    return server;
  }
  /// `invalid` where there is an option that nobody took; `known` names those there are.
  [[nodiscard]] Result<void> finish(std::string_view known) const {
    if (options_.empty()) return success;
    return wrong("has an option \"" + options_.front().name + "\"; there " +
                 (known.empty() ? std::string("is none") : "are: " + std::string(known)));
  }
  [[nodiscard]] Error wrong(const std::string& what) const {
    return {Errc::invalid, "the URI (" + scheme_ + ":) " + what};
  }

 private:
  struct Option {
    std::string name, value;
    std::string plain;  ///< both, as they were written
  };
  [[nodiscard]] static bool is_scheme(std::string_view text) {
    constexpr std::string_view letters = "abcdefghijklmnopqrstuvwxyz", more = "0123456789+-.";
    return letters.find(text[0]) != std::string_view::npos &&
           text.find_first_not_of(std::string(letters) + std::string(more)) ==
               std::string_view::npos;
  }
  /// What is behind the first `mark`; that and the mark are gone from `text` then.
  [[nodiscard]] static std::string_view cut_off(std::string_view& text, char mark) {
    const std::size_t at = text.find(mark);
    if (at == std::string_view::npos) return {};
    const std::string_view behind = text.substr(at + 1);
    text = text.substr(0, at);
    return behind;
  }
  [[nodiscard]] static Result<std::string> decoded(std::string_view text) {
    std::string plain;
    for (std::size_t i = 0; i < text.size(); ++i) {
      char c = text[i];
      if (c == '%') {
        unsigned byte = 0;
        const std::string_view digits = text.substr(i + 1, 2);
        const auto [end, error] =
            std::from_chars(digits.data(), digits.data() + digits.size(), byte, 16);
        if (digits.size() != 2 || error != std::errc{} || end != digits.data() + 2)
          return Error(Errc::invalid, "in a URI two hexadecimal digits follow a %; a % is %25");
        c = static_cast<char>(byte);
        i += 2;
      }
      if (c == '\0') return Error(Errc::invalid, "a URI of a database holds no NUL");
      plain.push_back(c);
    }
    return plain;
  }
  Result<void> read_options(std::string_view text) {
    while (!text.empty()) {
      std::string_view one = text;
      text = cut_off(one, '&');
      std::string plain(one);
      auto value = decoded(cut_off(one, '='));
      auto name = decoded(one);
      if (!name || !value) return name ? value.error() : name.error();
      if (name->empty()) return wrong("has an option without a name");
      for (const Option& known : options_)
        if (known.name == *name) return wrong("says \"" + *name + "\" twice");
      options_.push_back({*std::move(name), *std::move(value), std::move(plain)});
    }
    return success;
  }

  std::string scheme_, place_, store_, plain_;
  std::vector<Option> options_;
};

/// How a backend is opened by a URI; specialise it for one of your own:
///
///     static constexpr std::string_view schemes[] = {"redis"};
///     static Result<B> open(Uri& uri, Clock* clock);
template <class B>
struct UriOpener;

template <class B>
concept opened_by_uri = requires(Uri& uri, Clock* clock) {
  UriOpener<B>::schemes[0];
  { UriOpener<B>::open(uri, clock) } -> std::same_as<Result<B>>;
};

}  // namespace persist::inline PERSIST_ABI::backend
