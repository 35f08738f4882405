/** What only shapes plans, or cannot be set in a file at all: all settings of these categories of pg_settings. */
export const HARMLESS_CATEGORIES = /^(?:Query Tuning \/ .*|Preset Options)$/;

const BY_CATEGORY: readonly (readonly [category: string, names: string])[] = [
  [
    "Autovacuum",
    `autovacuum autovacuum_analyze_scale_factor autovacuum_analyze_threshold autovacuum_freeze_max_age
      autovacuum_multixact_freeze_max_age autovacuum_naptime autovacuum_vacuum_cost_delay
      autovacuum_vacuum_cost_limit autovacuum_vacuum_insert_scale_factor
      autovacuum_vacuum_insert_threshold autovacuum_vacuum_scale_factor autovacuum_vacuum_threshold`,
  ],
  [
    "Client Connection Defaults / Locale and Formatting",
    `client_encoding datestyle default_text_search_config extra_float_digits icu_validation_level
      intervalstyle lc_messages lc_monetary lc_numeric lc_time timezone`,
  ],
  ["Client Connection Defaults / Other Defaults", `gin_fuzzy_search_limit`],
  [
    "Client Connection Defaults / Statement Behavior",
    `bytea_output check_function_bodies client_min_messages createrole_self_grant
      default_table_access_method default_tablespace default_toast_compression
      default_transaction_deferrable default_transaction_isolation default_transaction_read_only
      event_triggers gin_pending_list_limit idle_in_transaction_session_timeout idle_session_timeout
      lock_timeout restrict_nonsystem_relation_kind row_security search_path session_replication_role
      statement_timeout temp_tablespaces transaction_deferrable transaction_isolation
      transaction_read_only transaction_timeout vacuum_failsafe_age vacuum_freeze_min_age
      vacuum_freeze_table_age vacuum_multixact_failsafe_age vacuum_multixact_freeze_min_age
      vacuum_multixact_freeze_table_age xmlbinary xmloption`,
  ],
  [
    "Connections and Authentication / Authentication",
    `authentication_timeout krb_caseins_users md5_password_warnings password_encryption scram_iterations`,
  ],
  [
    "Connections and Authentication / Connection Settings",
    `client_connection_check_interval tcp_keepalives_count tcp_keepalives_idle tcp_keepalives_interval
      tcp_user_timeout`,
  ],
  [
    "Connections and Authentication / SSL",
    `ssl_ciphers ssl_ecdh_curve ssl_groups ssl_max_protocol_version ssl_min_protocol_version
      ssl_passphrase_command_supports_reload ssl_prefer_server_ciphers ssl_tls13_ciphers`,
  ],
  [
    "Developer Options",
    `allow_system_table_mods backtrace_functions debug_discard_caches debug_logical_replication_streaming
      debug_parallel_query force_parallel_mode ignore_system_indexes jit_debugging_support
      jit_dump_bitcode jit_expressions jit_profiling_support jit_tuple_deforming post_auth_delay
      pre_auth_delay remove_temp_files_after_crash send_abort_for_crash send_abort_for_kill
      trace_connection_negotiation trace_notify trace_recovery_messages trace_sort
      wal_consistency_checking`,
  ],
  ["Error Handling", `data_sync_retry exit_on_error restart_after_crash`],
  ["File Locations", `config_file`],
  ["Lock Management", `deadlock_timeout max_pred_locks_per_page max_pred_locks_per_relation`],
  ["Replication / Primary Server", `vacuum_defer_cleanup_age`],
  [
    "Replication / Sending Servers",
    `idle_replication_slot_timeout max_slot_wal_keep_size wal_sender_timeout`,
  ],
  [
    "Replication / Standby Servers",
    `hot_standby_feedback max_standby_archive_delay max_standby_streaming_delay
      wal_receiver_create_temp_slot wal_receiver_status_interval wal_receiver_timeout
      wal_retrieve_retry_interval`,
  ],
  [
    "Replication / Subscribers",
    `max_parallel_apply_workers_per_subscription max_sync_workers_per_subscription`,
  ],
  ["Reporting and Logging / Process Title", `update_process_title`],
  [
    "Reporting and Logging / What to Log",
    `application_name debug_pretty_print debug_print_parse debug_print_plan debug_print_rewritten
      log_autovacuum_min_duration log_checkpoints log_connections log_disconnections log_duration
      log_error_verbosity log_line_prefix log_lock_failures log_lock_waits log_parameter_max_length
      log_parameter_max_length_on_error log_recovery_conflict_waits log_replication_commands log_statement
      log_temp_files log_timezone`,
  ],
  [
    "Reporting and Logging / When to Log",
    `log_min_duration_sample log_min_duration_statement log_min_error_statement log_min_messages
      log_startup_progress_interval log_statement_sample_rate log_transaction_sample_rate`,
  ],
  [
    "Reporting and Logging / Where to Log",
    `event_source log_file_mode log_rotation_age log_rotation_size log_truncate_on_rotation
      logging_collector syslog_facility syslog_ident syslog_sequence_numbers syslog_split_messages`,
  ],
  [
    "Resource Usage / Asynchronous Behavior",
    `backend_flush_after effective_io_concurrency io_combine_limit maintenance_io_concurrency
      max_parallel_maintenance_workers max_parallel_workers max_parallel_workers_per_gather
      old_snapshot_threshold parallel_leader_participation`,
  ],
  [
    "Resource Usage / Background Writer",
    `bgwriter_delay bgwriter_flush_after bgwriter_lru_maxpages bgwriter_lru_multiplier`,
  ],
  [
    "Resource Usage / Cost-Based Vacuum Delay",
    `vacuum_cost_delay vacuum_cost_limit vacuum_cost_page_dirty vacuum_cost_page_hit
      vacuum_cost_page_miss`,
  ],
  ["Resource Usage / Disk", `file_extend_method max_notify_queue_pages temp_file_limit`],
  ["Resource Usage / I/O", `io_max_combine_limit io_workers`],
  ["Resource Usage / Kernel Resources", `max_files_per_process`],
  ["Resource Usage / Memory", `hash_mem_multiplier vacuum_buffer_usage_limit`],
  ["Statistics / Cumulative Query and Index Statistics", `stats_fetch_consistency track_cost_delay_timing`],
  [
    "Statistics / Monitoring",
    `compute_query_id log_executor_stats log_parser_stats log_planner_stats log_statement_stats`,
  ],
  [
    "Statistics / Query and Index Statistics Collector",
    `track_activities track_counts track_functions track_io_timing track_wal_io_timing`,
  ],
  ["Vacuuming / Automatic Vacuuming", `autovacuum_vacuum_max_threshold`],
  ["Vacuuming / Default Behavior", `vacuum_truncate`],
  ["Vacuuming / Freezing", `vacuum_max_eager_freeze_failure_rate`],
  [
    "Version and Platform Compatibility / Other Platforms and Clients",
    `allow_alter_system transform_null_equals`,
  ],
  [
    "Version and Platform Compatibility / Previous PostgreSQL Versions",
    `array_nulls backslash_quote escape_string_warning lo_compat_privileges quote_all_identifiers
      standard_conforming_strings synchronize_seqscans`,
  ],
  [
    "Write-Ahead Log / Checkpoints",
    `checkpoint_completion_target checkpoint_flush_after checkpoint_timeout checkpoint_warning`,
  ],
  [
    "Write-Ahead Log / Settings",
    `commit_delay commit_siblings fsync full_page_writes synchronous_commit wal_compression wal_init_zero
      wal_log_hints wal_recycle wal_skip_threshold wal_writer_delay wal_writer_flush_after`,
  ],
  ["Write-Ahead Log / Summarization", `summarize_wal wal_summary_keep_time`],
];

/**
 * The settings that an exported copy takes from its source as they are: they name no host, file or peer, take nothing
 * of the host at the start, and reach nobody. Locales, time zones and compressions are among them, since the Postgres of
 * the host itself is asked whether it takes them.
 */
export const HARMLESS_SETTINGS: ReadonlySet<string> = new Set(
  BY_CATEGORY.flatMap(([, names]) => names.split(/\s+/)),
);
