# Answers of R for inputs that belong to this project. Run from the repository root: Rscript tests/oracles/r/recipe.R
# Inputs: tests/oracles/r/simulated.csv (made by simulate.R) and synthetic_emr/reference_cohort.csv. Output: recipe.json.
suppressMessages({library(survival); library(cmprsk); library(jsonlite)})
folder <- "tests/oracles/r/"
sim <- read.csv(paste0(folder, "simulated.csv"))
cohort <- read.csv("synthetic_emr/reference_cohort.csv")
answers <- list()
control <- coxph.control(eps = 1e-11, toler.chol = 1e-13, iter.max = 50)

quantiles <- function(fit) { q <- quantile(fit, c(.25, .5, .75)); lapply(q, function(v) unname(as.matrix(v))) }

# Kaplan-Meier of the simulated patients by group, any event.
sim$any <- as.integer(sim$cause > 0)
for (type in c("plain", "log", "log-log")) {
  fit <- survfit(Surv(time, any) ~ g, sim, conf.type = type)
  answers$km[[type]] <- quantiles(fit)
  s <- summary(survfit(Surv(time, any) ~ 1, sim, conf.type = type))
  answers$km[[paste0("curve_", type)]] <- list(time = s$time, surv = s$surv, se = s$std.err, lower = s$lower, upper = s$upper)
}
# A curve that runs flat exactly at one half: eight patients, one censored on day 5.
flat <- data.frame(t = 1:8, e = c(1, 1, 1, 1, 0, 1, 1, 1))
answers$flat_median <- unname(quantile(survfit(Surv(t, e) ~ 1, flat), .5)$quantile)
for (rho in 0:1) {
  d <- survdiff(Surv(time, any) ~ g, sim, rho = rho)
  answers$logrank[[paste0("rho", rho)]] <- c(d$chisq, length(d$n) - 1, pchisq(d$chisq, length(d$n) - 1, lower.tail = FALSE))
}

# Cox: estimates, tests, proportionality, cumulative baseline hazard, and start-stop rows split at `switch`.
cox <- function(formula, data) {
  out <- list()
  for (ties in c("breslow", "efron")) {
    fitted_data <<- data
    m <- coxph(formula, fitted_data, ties = ties, control = control); s <- summary(m)
    z <- cox.zph(m, transform = "km", terms = FALSE)$table
    b <- basehaz(m, centered = FALSE)
    out[[ties]] <- list(coef = unname(coef(m)), se = unname(s$coef[, "se(coef)"]), p = unname(s$coef[, "Pr(>|z|)"]),
      loglik = m$loglik, score = unname(s$sctest), lr = unname(s$logtest), zph = unname(z), hazard = list(time = b$time, hazard = b$hazard))
  }
  out
}
sim$g1 <- as.integer(sim$g == 1); sim$g2 <- as.integer(sim$g == 2)
answers$cox <- cox(Surv(time, any) ~ x + z + g1 + g2, sim)
split <- do.call(rbind, lapply(seq_len(nrow(sim)), function(i) {
  r <- sim[i, ]
  if (is.na(r$switch) || r$switch >= r$time) return(data.frame(start = 0, stop = r$time, event = r$any, tr = 0, x = r$x))
  data.frame(start = c(0, r$switch), stop = c(r$switch, r$time), event = c(0, r$any), tr = c(0, 1), x = r$x)
}))
answers$cox_switch <- cox(Surv(start, stop, event) ~ tr + x, split)
for (day in c(3, 8)) {
  at <- sim[sim$time > day, ]; at$tr <- as.integer(!is.na(at$switch) & at$switch <= day)
  m <- coxph(Surv(time, any) ~ tr, at, ties = "breslow", control = control)
  answers$landmark[[paste0("day", day)]] <- c(nrow(at), sum(at$any), coef(m), sqrt(m$var))
}

# Competing risks.
ci <- cuminc(sim$time, sim$cause, sim$g)
tp <- timepoints(ci, c(5, 10, 20))
answers$cuminc <- list(est = unname(tp$est), var = unname(tp$var), gray = unname(ci$Tests))
ci <- cuminc(sim$time, sim$cause, sim$g, rho = 1)
answers$cuminc$gray_rho1 <- unname(ci$Tests)
for (cause in 1:2) {
  f <- crr(sim$time, sim$cause, cbind(sim$x, sim$z), failcode = cause, gtol = 1e-14, maxiter = 50)
  answers$finegray[[paste0("cause", cause)]] <- list(coef = unname(f$coef), var = unname(f$var), loglik = f$loglik)
}

# Firth: penalised likelihoods put together from R's own log-likelihood and information at fixed coefficients.
profile_fit <- function(pl, p) {
  best <- function(fixed = NULL, value = NULL) {
    free <- setdiff(seq_len(p), fixed)
    full <- function(b) { v <- numeric(p); v[free] <- b; v[fixed] <- value; v }
    if (!length(free)) return(list(par = full(NULL), value = pl(full(NULL))))
    o <- list(par = rep(0, length(free)))
    for (i in 1:4) o <- optim(o$par, function(b) -pl(full(b)), method = "BFGS", control = list(reltol = 1e-15, maxit = 1000))
    list(par = full(o$par), value = -o$value)
  }
  top <- best()
  limit <- function(j, side) { f <- function(v) 2 * (top$value - best(j, v)$value) - qchisq(.95, 1); far <- top$par[j] + side
    while (f(far) < 0) far <- far + side; uniroot(f, sort(c(top$par[j], far)), tol = 1e-9)$root }
  list(coef = top$par, loglik = top$value,
    lower = sapply(seq_len(p), limit, side = -1), upper = sapply(seq_len(p), limit, side = 1),
    p = sapply(seq_len(p), function(j) pchisq(2 * (top$value - best(j, 0)$value), 1, lower.tail = FALSE)))
}
sep <- sim[1:60, ]; sep$none <- as.integer(sep$any == 0 & seq_len(60) %% 2 == 0)
for (ties in c("breslow", "efron")) {
  pl <- function(b) { m <- coxph(Surv(time, any) ~ x + none, sep, ties = ties, init = b, control = coxph.control(iter.max = 0))
    m$loglik[2] - .5 * log(det(m$var)) }
  answers$firth_cox[[ties]] <- suppressWarnings(profile_fit(pl, 2))
}
X <- cbind(1, sep$x, sep$none)
pl <- function(b) { eta <- drop(X %*% b); q <- plogis(eta); sum(sep$any * eta) - sum(log1p(exp(eta))) + .5 * log(det(t(X) %*% (X * q * (1 - q)))) }
answers$firth_logistic <- profile_fit(pl, 3)
m <- glm(any ~ x + z + g1, binomial, sim, control = glm.control(epsilon = 1e-14)); s <- summary(m)$coef
answers$logistic <- list(coef = unname(s[, 1]), se = unname(s[, 2]), p = unname(s[, 4]), loglik = as.numeric(logLik(m)))

# The synthetic cohort: what convention `r` says of its endpoints.
for (endpoint in c("efs", "os")) {
  d <- data.frame(t = cohort[[paste0(endpoint, "_days")]], e = cohort[[paste0(endpoint, "_event")]], hsct = cohort$hsct)
  f <- survfit(Surv(t, e) ~ 1, d); q <- quantile(f, .5); s <- summary(f, times = c(6, 12) * 30.4375)
  r <- quantile(survfit(Surv(t, 1 - e) ~ 1, d), .5)
  m <- coxph(Surv(t, e) ~ hsct, d, control = control)
  answers$cohort[[endpoint]] <- list(median = unname(c(q$quantile, q$lower, q$upper)), surv = s$surv, lower = s$lower, upper = s$upper,
    reverse_median = unname(c(r$quantile, r$lower, r$upper)), hsct = unname(summary(m)$conf.int[1, c(1, 3, 4)]))
}

sha <- function(path) strsplit(system2("sha256sum", path, stdout = TRUE), " ")[[1]][1]
meta <- list(tool = R.version.string,
  versions = list(survival = as.character(packageVersion("survival")), cmprsk = as.character(packageVersion("cmprsk")), jsonlite = as.character(packageVersion("jsonlite"))),
  recipe = "recipe.R",
  inputs = list(list(file = "tests/oracles/r/simulated.csv", sha256 = sha(paste0(folder, "simulated.csv"))),
    list(file = "synthetic_emr/reference_cohort.csv", sha256 = sha("synthetic_emr/reference_cohort.csv"))),
  answers = answers)
writeLines(toJSON(meta, digits = 15, auto_unbox = TRUE, pretty = TRUE, na = "null", null = "null"), paste0(folder, "recipe.json"))
