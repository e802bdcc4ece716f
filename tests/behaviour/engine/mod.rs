//! One behaviour suite, every container engine: what holds for Docker and Podman holds for the simulated one.

mod basics;
mod bench;
mod inside;
mod places;
mod seen;

/// Each case on each engine.
macro_rules! behaviours {
    ($($file:ident: $($name:ident),* $(,)?;)*) => {
        mod simulated {
            $($(#[tokio::test]
            async fn $name() {
                super::on(super::bench::Kind::Simulated, super::$file::$name).await;
            })*)*
        }

        mod docker {
            $($(#[tokio::test]
            async fn $name() {
                super::on(super::bench::Kind::Docker, super::$file::$name).await;
            })*)*
        }

        mod podman {
            $($(#[tokio::test]
            async fn $name() {
                super::on(super::bench::Kind::Podman, super::$file::$name).await;
            })*)*
        }
    };
}

behaviours! {
    basics:
        tells_what_it_is,
        a_container_lives_from_create_to_remove,
        starting_and_removing_twice_is_no_error,
        a_name_is_given_once,
        an_image_that_is_nowhere_is_not_found,
        a_container_that_is_not_there_is_not_found,
        lists_one_app_or_all_and_nothing_else,
        names_whatever_runs_and_nothing_that_does_not,
        a_program_that_ends_shows_its_code_and_its_last_words,
        a_port_answers_on_loopback,
        another_name_is_taken_running_or_not,
        of_many_who_create_one_name_exactly_one_wins,
        a_container_that_is_removed_under_our_hands_is_not_found;
    inside:
        a_program_run_inside_tells_its_code_and_both_streams,
        a_program_that_is_not_there_and_a_container_that_does_not_run_are_told_apart,
        a_program_that_takes_too_long_is_left,
        what_a_container_uses_is_told_while_it_runs,
        a_hardened_container_writes_nowhere_but_where_it_may,
        what_is_opened_by_name_is_open_and_nothing_else_is,
        a_secret_is_read_inside_and_stands_in_no_output,
        two_containers_find_each_other_by_their_aliases;
    places:
        mounts_of_each_kind_are_there,
        what_a_container_is_to_be_connected_with_must_be_there,
        limits_are_those_that_were_asked_for,
        what_an_engine_dropped_is_found,
        a_gpu_is_handed_out_by_its_uuid_or_refused_with_the_reason,
        a_network_is_made_once_and_removed_when_nobody_is_in_it;
    seen:
        what_happens_to_ours_is_seen_in_order_and_nothing_of_others,
        what_a_container_writes_is_followed_to_its_end;
}

/// Runs a case on an engine, where that is here.
async fn on(kind: bench::Kind, test: impl AsyncFnOnce(&bench::Bench)) {
    if let Some(engine) = bench::engine(kind).await {
        bench::cleaned(kind, engine, test).await;
    }
}
