"""How good is a policy, told from data that others recorded; and when that cannot be told.

evaluate.evaluate        all of it for one policy and one data set
gae_returns              returns by GAE(lambda) with importance ratios and a cross-fitted critic
fqe                      fitted Q evaluation: the critic, and the direct method
importance               WIS, PDIS, doubly robust, effective sample size
coverage                 share of the policy's actions that the data never tried
behaviour                who recorded the data: its log-probabilities, given or estimated
bootstrap                intervals over episodes; IQM and stratified intervals
fitting                  whether policy, data and environment are of one size
rollout                  the truth, where there is an environment
"""
