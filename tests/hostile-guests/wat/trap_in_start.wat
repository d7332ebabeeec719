;; Traps in a start function.
(component
  (core module $m (func $culprit (unreachable)) (start $culprit) (func (export "attack")))
  (core instance $i (instantiate $m))
  (func (export "attack") (canon lift (core func $i "attack"))))
