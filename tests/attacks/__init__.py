"""Attacks on the trail, each as one test that asserts what must happen instead.

An attack that still succeeds is a strict xfail; the commit that mends it removes the mark and weakens nothing.
``forge`` writes what an attacker can write, ``site`` is the attacked service and the commands of its auditor.

Attackers: **W** may write to the topic and has no key. **S** is another service with seal rights of its own. **R** is a
reader, who may unwrap. **F** may put objects into the fallback store. **L** is a local user, or a bug that writes files.
**K** has a signing key of another service, or an old one. **B** operates the broker. **G** runs a gateway that logs for others. **D** may write to the database with the outbox. The letter begins the file's name.

==== ============================================================= =====================================================
item attack                                                        test
==== ============================================================= =====================================================
1.1  L plants a spool segment as another user                      test_l_planted_segment: owned_by_a_stranger
1.1  L plants a spool segment through a bug of the application     test_l_planted_segment: by_our_own_user, others_may_write
1.1  L puts an old segment back; the end is cut off the topic      test_l_old_segment
1.1  L links a segment's name to the application's database        test_l_linked_database: linked
1.1  L plants a database whose view answers with endless records   test_l_linked_database: view
1.1  L plants a segment of another service                         test_l_planted_segment: of_another_service
1.2  K closes another service's stream that was cut off            test_k_other_services: closes
1.2  K signs another service's rewritten stream                    test_k_other_services: rewrites
1.2  K proves an event of another service that never was           test_k_other_services: proves
1.2  K signs with a reader's key                                   test_k_other_services: reader, another_role
1.2  K signs with a key that was rotated out                       test_k_retired_key: rotated_out, revoked
1.3  W leaves a transaction open: later events are not shown       test_w_transactions: tail, export
1.3  W leaves a transaction open: verify sees no later process     test_w_transactions: verify, is_a_finding
1.3  W aborts a transaction: what it wrote is not counted          test_w_transactions: aborted
1.4  W writes a record that cannot be unpacked                     test_w_bombs: hides, verifiable, named, passed
1.4  W writes a record that unpacks to all memory, in each codec   test_w_bombs: costs_bounded_memory
1.4  W writes a thousand records that unpack to all memory         test_w_bombs_in_a_row
1.4  B damages a batch on the broker's disk                        test_b_damaged_batch
1.5  S hides another service's events as "duplicates"              test_s_displaced_events
1.5  W hides sealed records behind unsealed ones                   test_w_displaced_records
1.6  W has a clear event exported as if it was sealed              test_w_downgrade
1.7  W makes every event unprovable with 1,129 records             test_w_unprovable: whole_stream
1.7  W makes one event unprovable with 17 records                  test_w_unprovable: one_event, other_positions
1.8  B deletes a whole producer                                    test_b_absent_producer: producer, service
1.8  W copies the staging topic to production                      test_w_copied_topic: staging, other_environment, copied
1.8  B deletes the end of a process that never came back           test_b_absent_producer: end_of_a_process
1.8  B shows two auditors two histories                            test_b_two_histories: two_auditors, witness_refuses
1.8  B rewrites the past with the service's own key                test_b_two_histories: past_is_rewritten
1.8  B rewrites the past with checkpoints that run backward        test_b_times: run_back
1.8  B adds events of ten years ago                                test_b_times: long_ago, future
1.9  W invents producers until the verifier has no memory          test_w_exhaustion: cost_bounded_memory
1.9  W uses up the room for leaves that arrive out of order        test_w_exhaustion: forged_gaps
1.9  W invents producers until the state cannot be loaded          test_w_exhaustion: leave_state_small
1.9  W makes the table of duplicates quadratic                     test_w_exhaustion: falling_sequences
1.9  W fills report and output with invented producers             test_w_exhaustion: leave_report, leave_output
1.9  W reorders a user's events with the last possible sequence    test_w_exhaustion: last_possible_sequence
1.9  W invents producers until a reader has no memory              test_w_exhaustion: cost_readers
1.10 W turns the alarm red with one record                         test_w_red_alarm: one_record
1.10 W keeps the alarm red with a continued state                  test_w_red_alarm: stays
1.10 W turns the alarm red; looked into, it stays red for ever     test_w_red_alarm: acknowledged
1.10 nobody attacks: an idle service looks cut off                 test_w_red_alarm: idle
1.11 F has the service publish what it puts into the store         test_f_replay: junk, forged_event
1.11 F takes an event out of a waiting object                      test_f_replay: event_less
1.11 F puts junk below a true header, or swaps two bodies            test_f_bodies
1.11 F takes the lock of the replay for ever                       test_f_replay: lease_without_end, never_ours
1.11 F stops every listing of the store by a name                  test_f_names
1.11 F makes a whole stream unprovable with rivals in the store    test_f_copies: rivals
1.11 S with F hides another service's events from --from all       test_f_copies: displace
1.11 F fills the memory of readers with newlines                   test_f_memory: newlines
1.11 F fills the memory of the service with small records          test_f_memory: small_records
1.12 W seals under another key of the account                      test_w_planted_kek
1.13 R seals new events with a data key of the past                test_r_seals
1.14 W makes each reader call the key service for every record     test_w_unknown_keys
1.15 W erases lines of an auditor's terminal                       test_w_terminal: lineage, json
1.15 F does so, or ends `fallback show` with a traceback           test_w_terminal: fallback_show
1.16 B dates a checkpoint in the future and cuts the end off       test_b_future
1.17 L has a report written through a link                         test_l_files: report
1.17 L changes a configuration, passphrase, key or state           test_l_files: refused
1.17 L creates the folder of the store first                       test_l_files: store
1.18 L has the plaintext data key sent without TLS                 test_l_environment: without_tls
1.18 R switches off the record of a read                           test_l_environment: without_a_record
1.18 L forges the verifier's state                                 test_l_environment: forged_state
1.18 L reads users, types and services that wait on the disk       test_l_at_rest
1.18 nobody attacks: an error quotes the names of members          test_s_own_names: member
1.18 S forges the library's own events                             test_s_own_names: of_the_library
1.18 S gives two users one Kafka key                               test_s_own_names: two_keys
1.18 L has stored objects sent without TLS                         test_l_environment: leaves_without_tls
1.18 L has Kafka reached with TLS 1.1 by OpenSSL's configuration   test_l_openssl
==== ============================================================= =====================================================

Further attacks, thought up when those above were mended:

==== ============================================================= =====================================================
1    W relabels a signed note of an auditor as a checkpoint        test_further_w_notes
2    W writes junk, an auditor reads a part of the trail           test_further_w_range
3    W writes a hundred records that claim one event's id          test_further_w_claims
4    W writes on after a crash: foreign x truncated                test_further_w_truncated
5    S signs under the producer id of another service              test_further_s_producer
6    S lists another service's data key, for R to seal with        test_further_s_data_key
7    S signs in the name of readers, or in one that looks alike    test_further_s_reader
8    K has a stolen key that is twice in the trust file            test_further_k_trust_file: one_entry
9    K has a stolen key that a state goes on to believe            test_further_k_trust_file: continued_state
10   K is an auditor of another service, or a revoked one          test_further_k_acknowledges
11   K goes on with a stream that has ended                        test_further_k_closed
12   K or W appends records of a former key: trust dates x replay  test_further_k_replayed
13   B deletes a record behind a rival that was acknowledged       test_further_b_acknowledged
14   B dates a checkpoint long ago, and then events                test_further_b_dates
15   B replays a heartbeat of a process that it cut off            test_further_b_heartbeats: heartbeat
16   B exchanges the leaves beside checkpoints                     test_further_b_heartbeats: leaves
17   K signs records that name another service                     test_further_k_other_source
18   F writes junk under a waiting object's true leaves            test_further_f_held: junk, cut_off
19   F crowds a signed object out of the verifier's memory         test_further_f_held: crowd_out
20   F blocks a victim's objects by others under its name          test_further_f_blocked
21   R with L seals a spool segment, which the service signs       test_further_r_storage: segment
22   R with F seals an object, which the service publishes         test_further_r_storage: object
23   L names keys and dates that a replay believes                 test_further_l_variables
24   F puts an object back after its replay                        test_further_f_again: put_back
25   F adds other leaves to a checkpoint: leaves x fallback        test_further_f_again: other_leaves
26   L puts a pipe and a linked log into the spool folder          test_further_l_segments: pipe
27   L puts copies of two ages of a segment back at once           test_further_l_segments: two_ages
28   L puts a former secret's segment back: secret x segments      test_further_l_segments: former_secret
29   R seals at a number of another data key of the process        test_further_r_data_key
30   S signs as in 5, and a witness reads it first                 test_further_s_witness
31   D plants rows: clear, of another service, type or user        test_further_d_rows: planted
32   D alters the row of an event                                  test_further_d_rows: altered_row
33   B swaps the places of two relayed events                      test_further_d_rows: swap
34   W copies a relayed event to another place                     test_further_d_rows: copy
35   nobody attacks: a second relay has not signed yet             test_further_d_rows: second_relay
36   R seals with the data key of a row                            test_further_d_rows: reader
37   G signs for a service that is not listed, or as the service   test_g_gateway: may_not_sign
38   G takes its name out of a note                                test_g_gateway: removed
39   G signs a stream of another gateway, or replays it            test_g_gateway: other_gateway, replayed
40   K, a service, ends a stream that its gateway cut off          test_g_gateway: ends
41   W names a gateway in a note that no trusted key signed        test_g_gateway: stranger
42   R seals with a former data key, after the last checkpoint     test_further_r_data_key: replaced
43   K, B, F hold deleted events by a revoked key's object         test_further_f_held: revoked_key
44   K ends a stream that a witness saw before the theft           test_further_k_witnessed_end
45   W names ever other data keys under a trusted process          test_further_w_data_keys
46   W writes a stream again that retention has removed            test_further_w_expired
47   W ends `catalog coverage` with a traceback                    test_w_terminal: coverage
48   W writes junk under a running process, for a later number     test_further_w_beyond
49   W, B date an empty partition in the future, and exchange      test_further_w_empty_partition
50   R discloses other content than was logged                     test_further_r_disclosed: was_not_logged
51   R with W puts a record on the topic that fits such a claim    test_further_r_disclosed: not_proven
52   B takes the commitment off a record                           test_further_r_disclosed: damage
==== ============================================================= =====================================================
"""
