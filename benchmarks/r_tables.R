# The analysis tables as a statistician would make them with R's survival package (survfit, survdiff, coxph, cox.zph, glm).
#   Rscript r_tables.R prepare patients.csv patients.rds     reading text is not what is measured
#   Rscript r_tables.R tables  patients.rds spec.csv figures.csv
# Left out, although our side makes them too: forward selection (the terms that it kept are given in spec.csv), Firth's
# estimates, Gray's test, Fine-Gray and time-dependent models.
suppressMessages(library(survival))

arguments <- commandArgs(trailingOnly = TRUE)
if (arguments[1] == "prepare") {
  saveRDS(read.csv(arguments[2]), arguments[3], compress = FALSE)
  quit(save = "no")
}

patients <- readRDS(arguments[2])
spec <- read.csv(arguments[3], colClasses = "character")
terms_of <- function(kind, outcome) spec$term[spec$kind == kind & spec$outcome == outcome]
survival_endpoints <- unique(spec$outcome[spec$kind == "km"])
binary_outcomes <- unique(spec$outcome[spec$kind == "logistic"])
rated <- spec$outcome[spec$kind == "rate"]
landmark_months <- as.numeric(spec$term[spec$kind == "landmark"])
days_per_month <- 365.25 / 12

found <- list()
note <- function(table, outcome, factor, level, statistic, value) {
  found[[length(found) + 1]] <<- data.frame(table, outcome, factor, level, statistic, value = as.numeric(value))
}

for (endpoint in survival_endpoints) {
  time <- patients[[paste0(endpoint, "_days")]]
  event <- patients[[paste0(endpoint, "_event")]]
  outcome <- Surv(time, event)
  for (factor in c("", terms_of("km", endpoint))) {
    covariate <- if (factor == "") rep(0, nrow(patients)) else patients[[factor]]
    fit <- survfit(outcome ~ covariate, conf.type = "plain")   # the whole curve with its intervals
    levels <- sort(unique(covariate[!is.na(covariate)]))
    for (i in seq_along(levels)) {
      # R takes the middle of a step that lies at one half exactly; SPSS, whom our median follows, its start.
      curve <- if (length(levels) == 1) fit else fit[i]
      median <- curve$time[which(curve$surv <= 0.5 + 1e-9)[1]]
      note("km_summary", endpoint, factor, levels[i], "median_months", median / days_per_month)
      at <- summary(curve, times = landmark_months * days_per_month, extend = TRUE)
      for (j in seq_along(landmark_months)) {
        note("km_landmarks", endpoint, factor, levels[i], paste0("survival_", landmark_months[j]), at$surv[j])
        note("km_landmarks", endpoint, factor, levels[i], paste0("std_error_", landmark_months[j]), at$std.err[j])
      }
    }
    if (factor != "") {
      note("logrank_tests", endpoint, factor, "", "statistic", survdiff(outcome ~ covariate)$chisq)
    }
  }
  for (factor in terms_of("cox", endpoint)) {
    covariate <- patients[[factor]]
    model <- coxph(outcome ~ covariate, ties = "breslow")
    note("cox_models", endpoint, factor, "univariate", "coefficient", coef(model))
    note("cox_models", endpoint, factor, "univariate", "std_error", sqrt(diag(vcov(model))))
    note("model_diagnostics", endpoint, factor, "univariate", "statistic", cox.zph(model, transform = "km", terms = FALSE)$table[1, 1])
  }
  chosen <- terms_of("cox_multivariate", endpoint)
  if (length(chosen)) {
    model <- coxph(reformulate(chosen, "outcome"), data = patients, ties = "breslow")
    for (term in chosen) note("cox_models", endpoint, term, "multivariate", "coefficient", coef(model)[term])
    zph <- cox.zph(model, transform = "km", terms = FALSE)$table
    note("model_diagnostics", endpoint, "GLOBAL", "multivariate", "statistic", zph["GLOBAL", 1])
  }
  for (factor in terms_of("landmark_cox", endpoint)) {
    for (day in c(60, 100)) {
      later <- which(time > day)
      known <- patients[[paste0(factor, "_day")]][later]
      covariate <- as.numeric(!is.na(known) & known <= day)
      model <- coxph(Surv(time[later] - day, event[later]) ~ covariate, ties = "breslow")
      note("cox_models", endpoint, factor, paste0("landmark_", day, "d"), "coefficient", coef(model))
    }
  }
}

fully <- glm.control(epsilon = 1e-14, maxit = 100)   # glm stops early by default: six figures of a rare level were not reached
for (outcome in binary_outcomes) {
  achieved <- patients[[paste0("achieved_", outcome)]]
  for (term in terms_of("logistic", outcome)) {
    covariate <- patients[[term]]
    model <- suppressWarnings(glm(achieved ~ covariate, family = binomial, control = fully))
    note("logistic_models", outcome, term, "univariate", "coefficient", coef(model)[2])
    note("logistic_models", outcome, term, "univariate", "std_error", sqrt(vcov(model)[2, 2]))
  }
  chosen <- terms_of("logistic_multivariate", outcome)
  if (length(chosen)) {
    model <- suppressWarnings(glm(reformulate(chosen, "achieved"), data = patients, family = binomial, control = fully))
    for (term in chosen) note("logistic_models", outcome, term, "multivariate", "coefficient", coef(model)[term])
  }
}

for (outcome in rated) {
  achieved <- sum(patients[[paste0("achieved_", outcome)]])
  interval <- binom.test(achieved, nrow(patients))$conf.int
  note("response_rates", outcome, "", "", "ci_low", 100 * interval[1])
  note("response_rates", outcome, "", "", "ci_high", 100 * interval[2])
}
for (factor in terms_of("subgroup", "CR")) {
  counts <- table(patients[[factor]], patients$achieved_CR)
  note("subgroup_response", "CR", factor, "", "statistic", suppressWarnings(chisq.test(counts, correct = FALSE))$statistic)
  fisher.test(counts)
}

causes <- factor(patients$RELAPSE_cause, 0:2, c("censored", "relapse", "death"))
competing <- Surv(patients$RELAPSE_days, causes)
for (factor in c("", terms_of("km", survival_endpoints[1]))) {
  covariate <- if (factor == "") rep(0, nrow(patients)) else patients[[factor]]
  fit <- survfit(competing ~ covariate)
  levels <- sort(unique(covariate[!is.na(covariate)]))
  for (i in seq_along(levels)) {
    at <- summary(if (length(levels) == 1) fit else fit[i, ], times = landmark_months * days_per_month, extend = TRUE)
    for (j in seq_along(landmark_months)) {
      note("cumulative_incidence", "RELAPSE", factor, levels[i], paste0("incidence_", landmark_months[j]), at$pstate[j, which(fit$states == "relapse")])
    }
  }
}
write.csv(do.call(rbind, found), arguments[4], row.names = FALSE)
