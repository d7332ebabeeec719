;; Declares a table of 4,000,000,000 elements.
(component
  (core module $m (table 4000000000 funcref) (func (export "attack")))
  (core instance $i (instantiate $m))
  (func (export "attack") (canon lift (core func $i "attack"))))
