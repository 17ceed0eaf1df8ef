#pragma once

#include <persist/bytes.hpp>
#include <persist/result.hpp>
#include <persist/schema/attributes.hpp>
#include <persist/schema/concept.hpp>
#include <persist/schema/indexes.hpp>
#include <persist/schema/limits.hpp>
#include <persist/schema/migrations.hpp>
#include <persist/schema/policy/hook.hpp>
#include <persist/schema/read.hpp>

#include <concepts>
#include <cstdint>
#include <type_traits>
#include <utility>

namespace persist::inline PERSIST_ABI {
namespace schema::detail {

template <class T>
inline constexpr bool is_fields = false;
template <class... As>
inline constexpr bool is_fields<Fields<As...>> = true;

/// Compared with the version in a record: higher there means that a newer build wrote it.
template <class D>
consteval std::uint32_t version_of() {
  if constexpr (requires { D::schema_version; }) {
    static_assert(
        std::convertible_to<decltype(D::schema_version), std::uint32_t>,
        "persist: schema_version is a number: static constexpr std::uint32_t schema_version = 2;");
    return static_cast<std::uint32_t>(D::schema_version);
  } else if constexpr (has_migrations<D>) {
    return static_cast<std::uint32_t>(VersionList<typename MigrationsOf<D>::type>::count);
  } else {
    return 1;
  }
}
template <class D>
consteval bool check_migrations() {
  static_assert(is_migrations<typename D::migrations>,
                "persist: migrations lists versions: using migrations = "
                "persist::Migrations<PlayerV1, PlayerV2, Player>;");
  if constexpr (is_migrations<typename D::migrations>) {
    using List = VersionList<typename D::migrations>;
    static_assert(version_of<D>() == List::count,
                  "persist: schema_version is the number of the versions that migrations lists");
    return List::template check<RulesOf<D>, typename RecordType<data_type_of<D>>::type>();
  }
  return true;
}
template <class D>
consteval bool keeps_durable() {
  if constexpr (requires { D::keep_durable; })
    return D::keep_durable;
  else
    return false;
}
/// Messages are a variant even if there is one, so that a second can be added later without a
/// change to what is stored.
template <class D>
struct MessageOf {
  using type = void;
};
template <class D>
  requires requires { typename D::message; }
struct MessageOf<D> {
  using type = typename D::message;
  static_assert(is_variant<type>,
                "persist: message lists what may be sent to a record: using message = "
                "std::variant<Gift, Mail>;");
};

/// Whether all that a policy says is understood. A name that is there and does not fit stops the
/// compiler in one sentence, because a hook that is silently not called is worse.
template <class D>
consteval bool check_policy() {
  using T = data_type_of<D>;
  if constexpr (requires { typename D::reconcile; })
    static_assert(
        is_reconcile_mode<typename D::reconcile>,
        "persist: reconcile is one of persist::reconcile::Deep, Shallow, Strict and None");
  if constexpr (requires { typename D::fields; })
    static_assert(is_fields<typename D::fields>,
                  "persist: fields lists attributes: using fields = persist::Fields<...>;");
  static_assert(version_of<D>() >= 1, "persist: schema versions begin at 1");
  if constexpr (names_migrations<D>) static_assert(check_migrations<D>());
  if constexpr (requires { typename D::indexes; })
    static_assert(check_indexes<D, typename RecordType<T>::type>());
  if constexpr (names_defaults<D>)
    static_assert(hook_like<decltype(address_of_defaults<D>()), T, 1>,
                  "persist: the hook defaults does not fit: it is static data_type defaults(key)");
  if constexpr (names_capture<D>)
    static_assert(hook_like<decltype(address_of_capture<D>()), T, 1>,
                  "persist: the hook capture does not fit: it is static data_type capture(key)");
  if constexpr (names_apply<D>) {
    static_assert(
        hook_ending_with<decltype(address_of_apply<D>()), void, 2, const T&>,
        "persist: the hook apply does not fit: it is static void apply(key, const data_type&)");
    static_assert(names_capture<D>,
                  "persist: the hook apply does nothing without the hook capture");
  }
  if constexpr (names_validate<D>)
    static_assert(hook_ending_with<decltype(address_of_validate<D>()), Result<void>, 1, const T&>,
                  "persist: the hook validate does not fit: it is static persist::Result<void> "
                  "validate(const data_type&)");
  if constexpr (names_mismatch<D>)
    static_assert(
        hook_ending_with<decltype(address_of_mismatch<D>()), OnMismatch, 1, const Mismatch&>,
        "persist: the hook mismatch does not fit: it is static persist::OnMismatch "
        "mismatch(const persist::Mismatch&)");
  if constexpr (names_import_legacy<D>)
    static_assert(
        hook_ending_with<decltype(address_of_import_legacy<D>()),
                         Result<typename RecordType<T>::type>, 1, ByteView>,
        "persist: the hook import_legacy does not fit: it is static persist::Result<data_type> "
        "import_legacy(persist::ByteView)");
  return true;
}

}  // namespace schema::detail

/// A Data policy as the layers above see it: every hook is there to call, and says whether the
/// policy has one.
template <data_policy D>
struct DataPolicy {
  static_assert(schema::detail::check_policy<D>());

  using policy = D;
  using data_type = data_type_of<D>;
  using fields = typename schema::detail::FieldsOf<D>::type;
  /// A variant of what may be sent to the record, or void.
  using message = typename schema::detail::MessageOf<D>::type;
  using migrations = typename schema::detail::MigrationsOf<D>::type;
  using reconcile = typename schema::detail::ReconcileOf<D>::type;
  using indexes = typename schema::detail::IndexesOf<D>::type;
  using IndexList =
      schema::detail::IndexList<indexes, typename schema::detail::RecordType<data_type>::type>;

  static constexpr bool has_defaults = schema::detail::names_defaults<D>;
  static constexpr bool has_capture = schema::detail::names_capture<D>;
  static constexpr bool has_apply = schema::detail::names_apply<D>;
  /// Whether data can be refused: by the policy's hook, or by a limit of its fields.
  static constexpr bool has_validate =
      schema::detail::names_validate<D> ||
      schema::detail::has_limits<schema::detail::RulesOf<D>, data_type>;
  static constexpr bool has_import_legacy = schema::detail::names_import_legacy<D>;
  static constexpr bool has_mismatch = schema::detail::names_mismatch<D>;
  /// Whether the game's own code may run while a record is read.
  static constexpr bool loads_by_hooks =
      has_import_legacy || has_mismatch || schema::detail::has_migrations<D>;
  static constexpr bool has_indexes = IndexList::count != 0;
  static constexpr bool keep_durable = schema::detail::keeps_durable<D>();
  static constexpr bool drop_unknown = schema::detail::drops_unknown<D>();
  static constexpr std::uint32_t schema_version = schema::detail::version_of<D>();

  /// The value of a record that is not there yet.
  template <class KeyValue>
  [[nodiscard]] static data_type defaults([[maybe_unused]] const KeyValue& key) {
    if constexpr (has_defaults) {
      static_assert(std::invocable<decltype(&D::defaults), const KeyValue&>,
                    "persist: the hook defaults does not fit: it does not take this store's key");
      return D::defaults(key);
    } else {
      return data_type{};
    }
  }
  /// The data as the game has it now. Only called where the policy has the hook.
  template <class KeyValue>
  [[nodiscard]] static data_type capture(const KeyValue& key)
    requires has_capture
  {
    static_assert(std::invocable<decltype(&D::capture), const KeyValue&>,
                  "persist: the hook capture does not fit: it does not take this store's key");
    return D::capture(key);
  }
  /// Tells the game what a message, grant or transaction changed.
  template <class KeyValue>
  static void apply(const KeyValue& key, const data_type& data)
    requires has_apply
  {
    static_assert(std::invocable<decltype(&D::apply), const KeyValue&, const data_type&>,
                  "persist: the hook apply does not fit: it does not take this store's key");
    D::apply(key, data);
  }
  /// The data of bytes that no build of persist wrote. Only called where the policy has the hook.
  [[nodiscard]] static auto import_legacy(ByteView bytes)
    requires has_import_legacy
  {
    return D::import_legacy(bytes);
  }
  /// What becomes of a member that what is stored does not fit. Only called where the policy has
  /// the hook.
  [[nodiscard]] static OnMismatch mismatch(const Mismatch& what)
    requires has_mismatch
  {
    return D::mismatch(what);
  }
  /// Whether the data keeps the limits of its fields and the game's own rules; always, where the
  /// policy has none.
  [[nodiscard]] static Result<void> validate([[maybe_unused]] const data_type& data) {
    using Rules = schema::detail::RulesOf<D>;
    if constexpr (schema::detail::has_limits<Rules, data_type>)
      if (auto kept = schema::check_limits<Rules>(data); !kept) return kept;
    if constexpr (schema::detail::names_validate<D>)
      return D::validate(data);
    else
      return success;
  }
};

}  // namespace persist::inline PERSIST_ABI
