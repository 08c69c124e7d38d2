# Makes simulated.csv: 150 patients, three groups, two competing causes, many ties, a covariate that switches.
set.seed(7); n <- 150
d <- data.frame(g = rep(0:2, 50), x = rbinom(n, 1, .4), z = round(rnorm(n), 3))
t1 <- rexp(n, .02 * exp(.5 * d$x)); t2 <- rexp(n, .015 * exp(.3 * d$z)); tc <- runif(n, 10, 120)
d$time <- ceiling(pmin(t1, t2, tc) / 3); d$cause <- ifelse(tc < pmin(t1, t2), 0, ifelse(t1 < t2, 1, 2))
d$switch <- ifelse(runif(n) < .5, ceiling(rexp(n, .15)), NA)
write.csv(d, "tests/oracles/r/simulated.csv", row.names = FALSE)
