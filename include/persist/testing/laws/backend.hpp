#pragma once

#include <persist/testing/laws/backend/batch.hpp>
#include <persist/testing/laws/backend/claim.hpp>
#include <persist/testing/laws/backend/fence.hpp>
#include <persist/testing/laws/backend/history.hpp>
#include <persist/testing/laws/backend/index.hpp>
#include <persist/testing/laws/backend/lease.hpp>
#include <persist/testing/laws/backend/mail.hpp>
#include <persist/testing/laws/backend/record.hpp>
#include <persist/testing/laws/backend/schema.hpp>

#include <vector>

namespace persist::inline PERSIST_ABI::testing {

/// One sentence that must be true of a backend, and how to find out.
template <record_backend B>
struct BackendLaw {
  const char* sentence;
  void (*run)(laws::Driver<B>&);

  /// Tries it on a backend that is fresh, or holds nothing in a store named "laws", and whose
  /// leases `clock` judges.
  [[nodiscard]] Report operator()(B& backend, ManualClock& clock) const {
    Report report;
    laws::Driver<B> driver(backend, clock, report);
    run(driver);
    return report;
  }
};

/// Who may write, and until when.
template <record_backend B>
[[nodiscard]] std::vector<BackendLaw<B>> fence_and_lease_laws() {
  using namespace laws;
  return {
      {"an old epoch's commit is refused and writes nothing", an_old_epoch_changes_nothing},
      {"the right epoch with a wrong owner is refused", a_wrong_owner_is_refused},
      {"an epoch that was never given out is refused", an_epoch_never_given_out_is_refused},
      {"a lower write number is refused", a_lower_write_number_is_superseded},
      {"a repeated write says applied and does nothing, before and after the release",
       a_repeated_write_says_applied_and_does_nothing},
      {"a renewal after the release is refused", a_commit_after_the_release_is_refused},
      {"epochs never go back", epochs_never_go_back},
      {"an erase fences the open session and leaves the record empty",
       an_erase_fences_the_open_session},
      {"versions go on after an erase", versions_go_on_after_an_erase},
      {"the last four epochs know what landed", the_last_four_epochs_know_what_landed},
      {"owners are never equal and copies share the database", owners_are_never_equal},
      {"acquire is exclusive", acquire_is_exclusive},
      {"a repeated acquire gives the same epoch", a_repeated_acquire_gives_the_same_epoch},
      {"an expired lease is free for others", an_expired_lease_is_free_for_others},
      {"an expired lease that nobody took is renewed by the next commit",
       an_expired_lease_nobody_took_is_renewed_by_the_next_commit},
      {"a commit that keeps the lease does not renew it",
       a_commit_that_keeps_the_lease_does_not_renew_it},
      {"a lease of no length holds nobody up", a_lease_of_no_length_holds_nobody_up},
      {"a late steal is refused", a_late_steal_is_refused},
      {"a request to let go is seen by the holder", a_request_is_seen_by_the_holder},
      {"while a request stands commits save but do not renew",
       while_a_request_stands_commits_save_but_do_not_renew},
      {"a newer asker replaces the older one", a_newer_asker_replaces_the_older},
      {"a record whose lease ran out goes to the newest asker",
       a_record_whose_lease_ran_out_goes_to_the_newest_asker},
      {"a request belongs to its epoch", a_request_belongs_to_its_epoch},
      {"a request for a free record takes it", a_request_for_a_free_record_takes_it},
      {"the calendar does not touch leases", the_calendar_does_not_touch_leases},
      {"watchers are woken", watchers_are_woken},
      {"a look takes nothing", a_look_takes_nothing},
      {"a claim takes what is as it was seen", a_claim_takes_what_is_as_it_was_seen},
      {"a claim is refused after a save or an acquisition",
       a_claim_is_refused_after_a_save_or_an_acquisition},
      {"a claim of the unleased is refused while a lease holds the record",
       a_claim_of_the_unleased_waits_for_no_lease},
      {"a claim that is sent again is applied once", a_claim_that_is_sent_again_is_applied_once},
      {"of two claims of one moment one wins", of_two_claims_of_one_moment_one_wins},
      {"a claim behind an erase is refused", a_claim_behind_an_erase_is_refused},
      {"a server that comes back reclaims its own", a_server_that_comes_back_reclaims_its_own},
      {"an epoch is at least what is asked for", an_epoch_is_at_least_what_is_asked_for},
      {"an epoch that was given elsewhere is claimed upwards only",
       an_epoch_given_elsewhere_is_claimed_upwards_only},
  };
}

/// What a record holds and what comes to it.
template <record_backend B>
[[nodiscard]] std::vector<BackendLaw<B>> content_laws() {
  using namespace laws;
  return {
      {"a message waits until it is acknowledged", a_message_waits_until_it_is_acknowledged},
      {"an inbox is read by who asks for it", an_inbox_is_read_by_who_asks_for_it},
      {"an acknowledgement and its change are one write",
       an_acknowledgement_and_its_change_are_one_write},
      {"new messages come with each commit", new_messages_come_with_each_commit},
      {"a full inbox refuses and drops nothing", a_full_inbox_refuses_and_drops_nothing},
      {"an id is known after its message is gone", an_id_is_known_after_its_message_is_gone},
      {"a forgotten id is refused whatever the calendar says",
       a_forgotten_id_is_refused_whatever_the_calendar_says},
      {"a refused post makes no record", a_refused_post_makes_no_record},
      {"a numbered message is known for ever", a_numbered_message_is_known_for_ever},
      {"a sent message leaves with its cause", a_sent_message_leaves_with_its_cause},
      {"a save never fails because a receiver is full",
       a_save_never_fails_because_a_receiver_is_full},
      {"a message whose reply was lost is sent again and is there once",
       a_message_whose_reply_was_lost_is_sent_again_and_is_there_once},
      {"a relay is harmless when repeated", a_relay_is_harmless_when_repeated},
      {"records whose outbox waits are listed in pages", waiting_records_are_listed_in_pages},
      {"an erase sends what waits first", an_erase_sends_what_waits_first},
      {"a load brings what was saved", a_load_brings_what_was_saved},
      {"data can be removed", data_can_be_removed},
      {"times are the backend's", times_are_the_backends},
      {"the first commit of an epoch counts a load", the_first_commit_of_an_epoch_counts_a_load},
      {"receipts are kept until they are forgotten", receipts_are_kept_until_forgotten},
      {"a store is found by its name", a_store_is_found_by_its_name},
      {"a store's header is checked", a_header_is_checked},
      {"the changes of one commit are all or nothing", changes_of_one_commit_are_all_or_nothing},
      {"a message to oneself is new at once", a_message_to_oneself_is_new_at_once},
      {"every byte of a key is kept", every_key_byte_is_kept},
      {"a batch is equal to its requests one by one", a_batch_is_its_requests_one_by_one},
  };
}

/// What a backend that names its keys does.
template <scans_keys B>
[[nodiscard]] std::vector<BackendLaw<B>> scan_laws() {
  using namespace laws;
  return {
      {"a scan finds each record with data once", a_scan_finds_each_record_with_data_once},
      {"a scan of inboxes finds each record in which messages wait",
       a_scan_of_inboxes_finds_each_record_in_which_messages_wait},
  };
}

/// What a backend that holds schemas does with them.
template <holds_schemas B>
[[nodiscard]] std::vector<BackendLaw<B>> schema_laws() {
  using namespace laws;
  return {
      {"a schema nobody sent is refused and one that was sent stays",
       a_schema_nobody_sent_is_refused_and_one_that_was_sent_stays},
      {"a schema comes with its commit or not at all",
       a_schema_comes_with_its_commit_or_not_at_all},
      {"a schema belongs to its store", a_schema_belongs_to_its_store},
      {"a claim whose partner cannot be read makes no record",
       a_claim_whose_partner_cannot_be_read_makes_no_record},
      {"schemas of one batch are known to what follows",
       schemas_of_one_batch_are_known_to_what_follows},
  };
}

/// What a backend that keeps indexes does with them.
template <queries_indexes B>
[[nodiscard]] std::vector<BackendLaw<B>> index_laws() {
  using namespace laws;
  return {
      {"an index is ordered by value and then by key",
       an_index_is_ordered_by_value_and_then_by_key},
      {"a page goes on behind where the last one ended",
       a_page_goes_on_behind_where_the_last_one_ended},
      {"the rows around a key have it in their middle",
       the_rows_around_a_key_have_it_in_their_middle},
      {"entries come with their commit or not at all",
       entries_come_with_their_commit_or_not_at_all},
      {"entries stay until a commit brings others", entries_stay_until_a_commit_brings_others},
      {"an erase takes a record out of every index", an_erase_takes_a_record_out_of_every_index},
      {"user ids are an index of their own", user_ids_are_an_index_of_their_own},
      {"an index belongs to its store", an_index_belongs_to_its_store},
      {"entries of one batch are all in", entries_of_one_batch_are_all_in},
  };
}

/// What a backend that keeps older states of the data does with them.
template <versioned_backend B>
[[nodiscard]] std::vector<BackendLaw<B>> history_laws() {
  using namespace laws;
  return {
      {"what is replaced is kept in the same commit", what_is_replaced_is_kept},
      {"where nothing is to be kept nothing is", without_a_rule_nothing_is_kept},
      {"a write without a rule leaves the history as it is",
       a_write_without_a_rule_leaves_the_history},
      {"a repeated commit keeps nothing twice", a_repeated_commit_keeps_nothing_twice},
      {"a commit that is refused keeps nothing", a_refused_commit_keeps_nothing},
      {"the rule says what stays", the_rule_says_what_stays},
      {"what is removed is kept", what_is_removed_is_kept},
      {"an erase takes the history with it", an_erase_takes_the_history_with_it},
      {"a state that is not kept is not found", a_state_that_is_not_kept_is_not_found},
      {"states of one batch are kept like others", states_of_one_batch_are_kept},
      {"a claim keeps what it replaces", a_claim_keeps_what_it_replaces},
      {"a history belongs to its record", a_history_belongs_to_its_record},
  };
}

/// What every backend promises. Give each law a backend of its own; a law that does not pass says
/// in its report which sentence broke, with the line in the law.
template <record_backend B>
[[nodiscard]] std::vector<BackendLaw<B>> backend_laws() {
  std::vector<BackendLaw<B>> all = fence_and_lease_laws<B>();
  for (const BackendLaw<B>& law : content_laws<B>())
    all.push_back(law);
  if constexpr (scans_keys<B>)
    for (const BackendLaw<B>& law : scan_laws<B>())
      all.push_back(law);
  if constexpr (holds_schemas<B>)
    for (const BackendLaw<B>& law : schema_laws<B>())
      all.push_back(law);
  if constexpr (queries_indexes<B>)
    for (const BackendLaw<B>& law : index_laws<B>())
      all.push_back(law);
  if constexpr (versioned_backend<B>)
    for (const BackendLaw<B>& law : history_laws<B>())
      all.push_back(law);
  return all;
}

}  // namespace persist::inline PERSIST_ABI::testing
