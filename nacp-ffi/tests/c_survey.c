/* What a C program learns of the machine that it is on, or of another one: what is wrong, what an error means, which
 * runtime to be on, what is pinned. The first argument is a folder with machines. */

#include "checks.h"

#include <stdlib.h>

static char path[4096];

static const char *machine(const char *folder, const char *name) {
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

/* What was read of a machine in a folder. */
static nacp_string survey_of(const char *folder, const char *name) {
    nacp_string survey = {0};
    nacp_survey_options options = NACP_SURVEY_OPTIONS_INIT;
    options.root = machine(folder, name);
    WORKS(nacp_survey_json(&options, &survey, &error));
    CHECK(survey.data != NULL && strstr(survey.data, "\"host\"") != NULL);
    return survey;
}

static void refusals(const char *folder) {
    nacp_string out = {0};
    nacp_survey_options options = NACP_SURVEY_OPTIONS_INIT;
    IS_NULL(nacp_survey_json(NULL, NULL, &error), "json");
    options.root = "/no/such/folder";
    CHECK(nacp_survey_json(&options, &out, &error) == NACP_E_NOT_FOUND && out.data == NULL);
    options.root = NULL;
    options.simulated = "h100x9";
    CHECK(nacp_survey_json(&options, &out, &error) == NACP_E_NOT_FOUND && strstr(error.message, "h100x8") != NULL);
    error = fresh;
    CHECK(nacp_doctor_json("[]", &out, &error) == NACP_E_INVALID_ARGUMENT);
    CHECK(strstr(error.message, "not the JSON of a survey: parameter=survey") == error.message);
    IS_NULL(nacp_explain_json(NULL, NULL, &out, &error), "text");
    CHECK(nacp_doctor_text("{}", &out, &error) == NACP_E_INVALID_ARGUMENT);
    CHECK(nacp_lock_verify_json("format: 9", "format: 9", &out, &error) == NACP_E_INVALID_ARGUMENT);
    nacp_evaluate_options wanted = NACP_EVALUATE_OPTIONS_INIT;
    wanted.weights = "throughput";
    FAILS(nacp_evaluate_json(&wanted, &out, &error), NACP_E_INVALID_ARGUMENT,
          "not a weight: parameter=options.weights value=\"throughput\"; write NAME=NUMBER, for example throughput=3");
    wanted.weights = "troughput=1";
    error = fresh;
    CHECK(nacp_evaluate_json(&wanted, &out, &error) == NACP_E_INVALID_ARGUMENT);
    CHECK(strstr(error.message, "throughput") != NULL);
    wanted.weights = NULL;
    wanted.level = 7;
    CHECK(nacp_evaluate_json(&wanted, &out, &error) == NACP_E_INVALID_ARGUMENT);
    error = fresh;
    CHECK(nacp_lock_write("format: 1\n", machine(folder, "nothing.lock"), &error) == NACP_E_INVALID_ARGUMENT);
    error = fresh;
}

static void doctor(const char *folder) {
    nacp_string survey = survey_of(folder, "bare-metal-docker");
    nacp_string diagnosis = {0}, words = {0}, meaning = {0};
    WORKS(nacp_doctor_json(survey.data, &diagnosis, &error));
    CHECK(strstr(diagnosis.data, "\"findings\":[]") != NULL);
    WORKS(nacp_doctor_text(diagnosis.data, &words, &error));
    CHECK(words.len > 0 && strstr(words.data, "bare metal") != NULL);
    WORKS(nacp_explain_json("CUDA error 803", survey.data, &meaning, &error));
    CHECK(strstr(meaning.data, "\"id\":\"D18\"") != NULL);
    nacp_string_free(&meaning);
    WORKS(nacp_explain_json("D08", survey.data, &meaning, &error));
    CHECK(strstr(meaning.data, "\"id\":\"D08\"") != NULL);
    nacp_string page = {0};
    WORKS(nacp_doctor_html(diagnosis.data, &page, &error));
    CHECK(strstr(page.data, "<html") != NULL);
    nacp_string_free(&page);
    nacp_string_free(&meaning);
    nacp_string_free(&words);
    nacp_string_free(&diagnosis);
    nacp_string_free(&survey);
}

static void decision(const char *folder) {
    nacp_string survey = survey_of(folder, "wsl2-docker"), json = {0};
    nacp_evaluate_options options = NACP_EVALUATE_OPTIONS_INIT;
    options.survey = survey.data;
    options.weights = "parity=2, devops=1";
    WORKS(nacp_evaluate_json(&options, &json, &error));
    CHECK(strstr(json.data, "\"recommendation\":{\"option\":\"b_container\"") != NULL);
    nacp_string text = {0}, page = {0};
    WORKS(nacp_decision_text(json.data, 0, &text, &error));
    CHECK(strstr(text.data, "B: WSL2 container") != NULL);
    WORKS(nacp_decision_html(json.data, &page, &error));
    CHECK(strstr(page.data, "<svg") != NULL);
    nacp_string_free(&page);
    nacp_string_free(&text);
    nacp_string_free(&json);
    nacp_string_free(&survey);
}

static void pods(const char *folder) {
    nacp_string survey = {0}, diagnosis = {0};
    nacp_survey_options options = NACP_SURVEY_OPTIONS_INIT;
    options.root = machine(folder, "kubernetes-node");
    options.messages = "0/3 nodes are available\nfailed to get sandbox runtime: no runtime for \"nvidia\" is configured";
    WORKS(nacp_survey_json(&options, &survey, &error));
    WORKS(nacp_doctor_json(survey.data, &diagnosis, &error));
    CHECK(strstr(diagnosis.data, "\"id\":\"D34\"") != NULL);
    nacp_string_free(&diagnosis);
    nacp_string_free(&survey);
}

static void lock(const char *folder) {
    nacp_string laptop = survey_of(folder, "wsl2-docker"), server = survey_of(folder, "bare-metal-docker");
    nacp_string locked = {0}, now = {0}, drifts = {0};
    WORKS(nacp_lock_text(laptop.data, NULL, &locked, &error));
    WORKS(nacp_lock_text(server.data, NULL, &now, &error));
    CHECK(strstr(locked.data, "format: 1") != NULL);
    WORKS(nacp_lock_verify_json(locked.data, locked.data, &drifts, &error));
    CHECK(strstr(drifts.data, "\"drifts\":[]") != NULL);
    nacp_string_free(&drifts);
    WORKS(nacp_lock_verify_json(locked.data, now.data, &drifts, &error));
    CHECK(strstr(drifts.data, "\"effect\":\"results\"") != NULL);
    nacp_string_free(&drifts);

    char file[] = "/tmp/nacp-lock-XXXXXX";
    CHECK(mkdtemp(file) != NULL);
    char path[64];
    snprintf(path, sizeof path, "%s/nacp.lock", file);
    WORKS(nacp_lock_write(locked.data, path, &error));
    WORKS(nacp_lock_write(locked.data, path, &error));
    CHECK(remove(path) == 0 && remove(file) == 0);
    nacp_string_free(&now);
    nacp_string_free(&locked);
    nacp_string_free(&server);
    nacp_string_free(&laptop);
}

static void simulated(void) {
    nacp_string survey = {0};
    nacp_survey_options options = NACP_SURVEY_OPTIONS_INIT;
    options.simulated = "h100x8";
    options.no_containers = 1;
    options.no_commands = 1;
    WORKS(nacp_survey_json(&options, &survey, &error));
    CHECK(strstr(survey.data, "\"simulated\":true") != NULL);
    nacp_string_free(&survey);
}

int main(int argc, char **argv) {
    if (argc != 2) {
        return 2;
    }
    refusals(argv[1]);
    doctor(argv[1]);
    decision(argv[1]);
    pods(argv[1]);
    lock(argv[1]);
    simulated();
    return report();
}
